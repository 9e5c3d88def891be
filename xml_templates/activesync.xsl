<?xml version="1.0" encoding="UTF-8"?>
<!-- Settings for Exchange ActiveSync (MS-ASCMD, Autodiscover): the URL of the first section that has one. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>

  <xsl:variable name="servers" select="/clientConfig/emailProvider/incomingServer"/>
  <xsl:variable name="url" select="($servers[@type = 'activeSync']/url | $servers[@type = 'exchange']/easURL)[1]"/>

  <xsl:template match="/">
    <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
      <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006">
        <Culture>en:us</Culture>
        <User>
          <DisplayName>%EMAILADDRESS%</DisplayName>
          <EMailAddress>%EMAILADDRESS%</EMailAddress>
        </User>
        <Action>
          <Settings>
            <Server>
              <Type>MobileSync</Type>
              <Url><xsl:value-of select="$url"/></Url>
              <Name><xsl:value-of select="$url"/></Name>
            </Server>
          </Settings>
        </Action>
      </Response>
    </Autodiscover>
  </xsl:template>
</xsl:stylesheet>

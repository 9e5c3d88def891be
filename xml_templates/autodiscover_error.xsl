<?xml version="1.0" encoding="UTF-8"?>
<!-- What Outlook gets instead of settings (MS-OXDSCLI): the Response is in the root's namespace. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>

  <xsl:template match="/">
    <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
      <Response>
        <Error Time="%TIME%" Id="%ID%">
          <ErrorCode>%ERRORCODE%</ErrorCode>
          <Message>%MESSAGE%</Message>
          <DebugData/>
        </Error>
      </Response>
    </Autodiscover>
  </xsl:template>
</xsl:stylesheet>

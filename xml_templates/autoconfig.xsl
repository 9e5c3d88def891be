<?xml version="1.0" encoding="UTF-8"?>
<!--
  Thunderbird's autoconfig file and its kin's (draft-ietf-mailmaint-autoconfig-06): the definition itself, without the
  remarks in it. Placeholders stay: the client fills them. Elements that we do not know may mean something to a client.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="comment() | processing-instruction()"/>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!--
  The autoconfig file for Thunderbird and other clients (draft-ietf-mailmaint-autoconfig-06): the definition without its
  comments. Clients fill the placeholders. Unknown elements are kept, because a client may understand them.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <!--
    Services with a URL, twice: first in the draft's form since June 2026; then for Thunderbird 153 (readFromXML.sys.mjs),
    which skips elements with attributes, and Evolution (e-mail-autoconfig.c), which uses the last method that it knows.
  -->
  <xsl:template match="*[@type]/authentication[. = 'Basic' or . = 'Digest']">
    <authentication system="http"><xsl:value-of select="."/></authentication>
    <authentication>
      <xsl:choose>
        <xsl:when test=". = 'Basic'">password-cleartext</xsl:when>
        <xsl:otherwise>password-encrypted</xsl:otherwise>
      </xsl:choose>
    </authentication>
  </xsl:template>

  <!-- Thunderbird 153 requires a domain, and cannot read one with an attribute. -->
  <xsl:template match="domain[@purpose][not(../domain[not(@purpose)])][not(preceding-sibling::domain)]">
    <domain><xsl:value-of select="."/></domain>
    <xsl:copy-of select="."/>
  </xsl:template>

  <xsl:template match="comment() | processing-instruction()"/>
</xsl:stylesheet>

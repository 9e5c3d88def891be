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

  <!--
    Services at a URL: first as the draft has it since June 2026; then as Thunderbird 153 reads it (readFromXML.sys.mjs),
    which skips elements with attributes, and Evolution (e-mail-autoconfig.c), where the last known method counts.
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

  <!-- Thunderbird 153 needs a domain, and cannot read one with an attribute. -->
  <xsl:template match="domain[@purpose][not(../domain[not(@purpose)])][not(preceding-sibling::domain)]">
    <domain><xsl:value-of select="."/></domain>
    <xsl:copy-of select="."/>
  </xsl:template>

  <xsl:template match="comment() | processing-instruction()"/>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!--
  The texts of the setup page, from languages/LANGUAGE.xml; the server sets them as the variable `catalogue`.

  t:text(NAME) is the string or string-array of that name; an unknown name stops the transformation. In a text, b is a
  name that the app shows; provider, example, address, protocol, suggestion and foreign are replaced by their values.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:func="http://exslt.org/functions"
                xmlns:exsl="http://exslt.org/common" xmlns:t="urn:setup-page:texts"
                extension-element-prefixes="func exsl" exclude-result-prefixes="t">

  <xsl:variable name="texts" select="exsl:node-set($catalogue)/resources"/>
  <xsl:variable name="language" select="string($texts/@language)"/>

  <xsl:key name="text" match="resources/*" use="@name"/>

  <func:function name="t:text">
    <xsl:param name="name"/>
    <xsl:for-each select="$texts">
      <xsl:if test="not(key('text', $name))">
        <xsl:message terminate="yes">languages/<xsl:value-of select="$language"/>.xml has no text <xsl:value-of select="$name"/></xsl:message>
      </xsl:if>
      <func:result select="key('text', $name)"/>
    </xsl:for-each>
  </func:function>

  <xsl:template match="resources/string">
    <xsl:apply-templates/>
  </xsl:template>

  <!-- The items whose condition is true: `when` is address, no-address or imap-and-pop3. -->
  <xsl:template match="resources/string-array">
    <xsl:for-each select="item[not(@when) or (@when = 'address' and $given) or (@when = 'no-address' and not($given)) or
        (@when = 'imap-and-pop3' and $imap and $pop3)]">
      <li><xsl:apply-templates/></li>
    </xsl:for-each>
  </xsl:template>

  <xsl:template match="resources//b">
    <b>
      <xsl:copy-of select="@lang"/>
      <xsl:apply-templates/>
    </b>
  </xsl:template>

  <xsl:template match="resources//provider"><xsl:value-of select="$name"/></xsl:template>

  <xsl:template match="resources//example"><xsl:value-of select="$provider/domain[1]"/></xsl:template>

  <xsl:template match="resources//protocol">
    <xsl:choose>
      <xsl:when test="$imap">IMAP</xsl:when>
      <xsl:otherwise>POP3</xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="resources//address">
    <xsl:choose>
      <xsl:when test="$given"><b translate="no">%EMAILADDRESS%</b></xsl:when>
      <xsl:otherwise><xsl:apply-templates select="t:text('your_address')"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="resources//suggestion"><b translate="no">%SUGGESTION%</b></xsl:template>

  <xsl:template match="resources//foreign">%FOREIGN%</xsl:template>
</xsl:stylesheet>

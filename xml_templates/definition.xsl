<?xml version="1.0" encoding="UTF-8"?>
<!--
  The definition that `init` writes: what it found (autoconfig/operations/discovery/write.py), with the evidence for each
  setting in a comment above it. Evidence quotes remote servers; only this stylesheet puts it into comments.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="/found">
    <xsl:call-template name="evidence"><xsl:with-param name="indent" select="''"/></xsl:call-template>
    <clientConfig version="1.2">
      <emailProvider id="{@id}">
        <xsl:apply-templates select="domain | displayName | displayShortName"/>
        <xsl:apply-templates select="server | service[@element = 'incomingServer'] | documentation"/>
      </emailProvider>
      <xsl:apply-templates select="service[@element != 'incomingServer'] | oAuth2 | webMail"/>
    </clientConfig>
  </xsl:template>

  <xsl:template match="domain | displayName | displayShortName">
    <xsl:call-template name="evidence"/>
    <xsl:element name="{name()}">
      <xsl:copy-of select="@purpose"/>
      <xsl:value-of select="@value"/>
    </xsl:element>
  </xsl:template>

  <xsl:template match="server | service">
    <xsl:call-template name="evidence">
      <xsl:with-param name="indent">
        <xsl:text>  </xsl:text>
        <xsl:if test="@element = 'incomingServer' or @element = 'outgoingServer'"><xsl:text>  </xsl:text></xsl:if>
      </xsl:with-param>
    </xsl:call-template>
    <xsl:element name="{@element}">
      <xsl:attribute name="type"><xsl:value-of select="@type"/></xsl:attribute>
      <xsl:for-each select="@hostname | @port | @socketType | @url">
        <xsl:element name="{name()}"><xsl:value-of select="."/></xsl:element>
      </xsl:for-each>
      <xsl:for-each select="authentication">
        <authentication>
          <xsl:copy-of select="@system"/>
          <xsl:value-of select="@value"/>
        </authentication>
      </xsl:for-each>
      <username><xsl:value-of select="@username"/></username>
    </xsl:element>
  </xsl:template>

  <xsl:template match="documentation">
    <xsl:call-template name="evidence"/>
    <documentation url="{@value}"/>
  </xsl:template>

  <xsl:template match="webMail">
    <xsl:call-template name="evidence"><xsl:with-param name="indent" select="'  '"/></xsl:call-template>
    <webMail><loginPage url="{@value}"/></webMail>
  </xsl:template>

  <xsl:template match="oAuth2">
    <xsl:call-template name="evidence"><xsl:with-param name="indent" select="'  '"/></xsl:call-template>
    <oAuth2><issuer><xsl:value-of select="@value"/></issuer></oAuth2>
  </xsl:template>

  <!-- A comment must not contain two hyphens or end with one (XML 1.0, section 2.5): `apart` separates them, and a line break
       is always last. -->
  <xsl:template name="evidence">
    <xsl:param name="indent" select="'    '"/>
    <xsl:if test="evidence">
      <xsl:comment>
        <xsl:text>&#10;</xsl:text>
        <xsl:for-each select="evidence">
          <xsl:value-of select="concat($indent, '  ')"/>
          <xsl:call-template name="apart"><xsl:with-param name="text" select="."/></xsl:call-template>
          <xsl:text>&#10;</xsl:text>
        </xsl:for-each>
        <xsl:value-of select="$indent"/>
      </xsl:comment>
    </xsl:if>
  </xsl:template>

  <xsl:template name="apart">
    <xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="contains($text, '--')">
        <xsl:value-of select="concat(substring-before($text, '--'), '- ')"/>
        <xsl:call-template name="apart">
          <xsl:with-param name="text" select="concat('-', substring-after($text, '--'))"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>

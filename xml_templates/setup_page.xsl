<?xml version="1.0" encoding="UTF-8"?>
<!--
  The setup page, for people whose mail app does not set itself up: one step per page, without script.

  A transformation makes one page in one language. The server sets the variables `catalogue` (the texts), `languages` and
  `apps`. Every step after the address is a form that contains it: the address is in no URL and is not stored.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:exsl="http://exslt.org/common"
                xmlns:t="urn:setup-page:texts" extension-element-prefixes="exsl" exclude-result-prefixes="t">
  <xsl:include href="setup_texts.xsl"/>
  <xsl:include href="setup_steps.xsl"/>
  <xsl:include href="setup_app.xsl"/>
  <xsl:include href="setup_settings.xsl"/>
  <xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>

  <!-- address, foreign, choice, settings, or the id of an app -->
  <xsl:param name="step"/>
  <!-- This page's path after the language: setup/iphone/ -->
  <xsl:param name="path"/>
  <!-- Whether the visitor's address is known. -->
  <xsl:param name="given" select="false()"/>
  <!-- Whether there is a QR code with the whole account. -->
  <xsl:param name="scannable" select="false()"/>
  <!-- What is wrong with the typed address, and whether there is an address to suggest instead. -->
  <xsl:param name="problem"/>
  <xsl:param name="suggested" select="false()"/>
  <!-- The visitor's device, as in setup_apps.xml -->
  <xsl:param name="platform"/>
  <!-- Whether there is a profile for Apple devices, and one for POP3; whether they are signed. -->
  <xsl:param name="profile" select="false()"/>
  <xsl:param name="pop3profile" select="false()"/>
  <xsl:param name="signed" select="false()"/>
  <!-- The path under which the server is mounted: empty, or /mail -->
  <xsl:param name="root"/>
  <!-- The part of the URLs of style sheet, script and icon that changes whenever one of them does. -->
  <xsl:param name="edition"/>

  <xsl:variable name="provider" select="/clientConfig/emailProvider"/>
  <xsl:variable name="name" select="string($provider/displayName)"/>
  <xsl:variable name="imap" select="$provider/incomingServer[@type = 'imap'][1]"/>
  <xsl:variable name="pop3" select="$provider/incomingServer[@type = 'pop3'][1]"/>
  <xsl:variable name="smtp" select="$provider/outgoingServer[@type = 'smtp'][1]"/>
  <xsl:variable name="incoming" select="($imap | $pop3[not($imap)])"/>
  <xsl:variable name="password" select="$incoming/authentication[starts-with(., 'password-')]"/>
  <xsl:variable name="webmail" select="/clientConfig/webMail/loginPage[1]/@url"/>
  <xsl:variable name="setup" select="exsl:node-set($apps)/setup"/>
  <xsl:variable name="offered" select="$setup/app[not(@requires) or (@requires = 'profile' and $profile) or
      (@requires = 'imap' and $imap) or (@requires = 'incoming' and $incoming) or (@requires = 'password' and $password)]"/>
  <xsl:variable name="app" select="$offered[@id = $step]"/>
  <xsl:variable name="home" select="concat($root, '/', $language, '/')"/>

  <xsl:template match="/">
    <!-- An app that cannot be used with this provider has no page. -->
    <xsl:if test="$app or not($setup/app[@id = $step])">
      <html lang="{$language}">
        <xsl:call-template name="head"/>
        <body>
          <header>
            <p><xsl:apply-templates select="t:text('caption')"/></p>
            <xsl:call-template name="languages"/>
          </header>
          <xsl:if test="$given">
            <form method="post" action="{$home}{$path}" id="again">
              <input type="hidden" name="emailaddress" value="%EMAILADDRESS%"/>
            </form>
          </xsl:if>
          <main>
            <xsl:choose>
              <xsl:when test="$step = 'address'"><xsl:call-template name="address"/></xsl:when>
              <xsl:when test="$step = 'foreign'"><xsl:call-template name="foreign"/></xsl:when>
              <xsl:when test="$step = 'choice'"><xsl:call-template name="choice"/></xsl:when>
              <xsl:when test="$step = 'settings'"><xsl:call-template name="all-settings"/></xsl:when>
              <xsl:otherwise><xsl:call-template name="app"/></xsl:otherwise>
            </xsl:choose>
          </main>
          <xsl:if test="$step != 'foreign'">
            <footer><xsl:call-template name="help"/></footer>
          </xsl:if>
        </body>
      </html>
    </xsl:if>
  </xsl:template>

  <xsl:template name="head">
    <head>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta name="color-scheme" content="light dark"/>
      <meta name="format-detection" content="telephone=no"/>
      <title>
        <xsl:if test="$problem != ''"><xsl:apply-templates select="t:text('problem_prefix')"/></xsl:if>
        <xsl:call-template name="title"/>
        <xsl:text> – </xsl:text>
        <xsl:value-of select="$name"/>
      </title>
      <link rel="icon" type="image/svg+xml" href="{$root}/site/icon.svg?{$edition}"/>
      <link rel="stylesheet" href="{$root}/site/setup.css?{$edition}"/>
      <script src="{$root}/site/setup.js?{$edition}" defer="defer"/>
    </head>
  </xsl:template>

  <!-- The page's title and heading. -->
  <xsl:template name="title">
    <xsl:choose>
      <xsl:when test="$app">
        <xsl:apply-templates select="t:text(concat(translate($step, '-', '_'), '_title'))"/>
      </xsl:when>
      <xsl:otherwise><xsl:apply-templates select="t:text(concat($step, '_title'))"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- This page in the other languages, each with its own name for itself. -->
  <xsl:template name="languages">
    <nav class="languages" aria-label="{t:text('languages_label')}">
      <ul>
        <xsl:for-each select="exsl:node-set($languages)/languages/language">
          <li>
            <xsl:choose>
              <xsl:when test="@tag = $language"><span aria-current="true"><xsl:value-of select="@name"/></span></xsl:when>
              <xsl:when test="$given">
                <button form="again" formaction="{$root}/{@tag}/{$path}" lang="{@tag}" class="link"><xsl:value-of select="@name"/></button>
              </xsl:when>
              <xsl:otherwise>
                <a href="{$root}/{@tag}/{$path}" lang="{@tag}" hreflang="{@tag}"><xsl:value-of select="@name"/></a>
              </xsl:otherwise>
            </xsl:choose>
          </li>
        </xsl:for-each>
      </ul>
    </nav>
  </xsl:template>

  <!-- The definition's links to help, with texts in this language if there are any. -->
  <xsl:template name="help">
    <xsl:if test="$provider/documentation or $webmail">
      <h2><xsl:apply-templates select="t:text('help_title')"/></h2>
      <ul class="links">
        <xsl:for-each select="$provider/documentation">
          <xsl:variable name="described" select="descr[@lang = $language or starts-with(@lang, concat($language, '-'))]"/>
          <li><a href="{@url}" rel="noreferrer">
            <xsl:choose>
              <xsl:when test="$described"><xsl:value-of select="$described[1]"/></xsl:when>
              <xsl:when test="descr and count($provider/documentation) &gt; 1">
                <xsl:copy-of select="descr[1]/@lang"/>
                <xsl:value-of select="descr[1]"/>
              </xsl:when>
              <xsl:otherwise><xsl:apply-templates select="t:text('help_link')"/></xsl:otherwise>
            </xsl:choose>
          </a></li>
        </xsl:for-each>
        <xsl:if test="$webmail">
          <li><a href="{$webmail}" rel="noreferrer"><xsl:apply-templates select="t:text('webmail_link')"/></a></li>
        </xsl:if>
      </ul>
    </xsl:if>
  </xsl:template>

  <!-- A link to another page, or a form if there is an address to keep. -->
  <xsl:template name="link">
    <xsl:param name="to"/>
    <xsl:param name="text"/>
    <xsl:param name="class">link</xsl:param>
    <xsl:choose>
      <xsl:when test="$given">
        <button form="again" formaction="{$home}{$to}" class="{$class}"><xsl:copy-of select="$text"/></button>
      </xsl:when>
      <xsl:otherwise><a href="{$home}{$to}" class="{$class}"><xsl:copy-of select="$text"/></a></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!-- The settings themselves, to copy into an app. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="urn:setup-page:texts"
                exclude-result-prefixes="t">

  <!-- A card is below "The settings to copy" or below the page's title. -->
  <xsl:variable name="card-heading">
    <xsl:choose>
      <xsl:when test="$step = 'settings'">h2</xsl:when>
      <xsl:otherwise>h3</xsl:otherwise>
    </xsl:choose>
  </xsl:variable>

  <!-- The page for people who want the settings without steps. -->
  <xsl:template name="all-settings">
    <xsl:call-template name="back"/>
    <h1><xsl:call-template name="title"/></h1>
    <xsl:call-template name="fill-in"/>
    <div class="cards">
      <xsl:apply-templates select="$incoming | $smtp"/>
      <xsl:apply-templates select="$pop3[$imap]"/>
      <xsl:apply-templates select="$provider/incomingServer[@type = 'jmap'] | /clientConfig/calendar[@type = 'caldav'] |
          /clientConfig/addressbook[@type = 'carddav']"/>
    </div>
    <xsl:call-template name="said"/>
  </xsl:template>

  <!-- The settings that an app asks for. -->
  <xsl:template name="settings">
    <section id="settings" aria-labelledby="settings-title">
      <h2 id="settings-title"><xsl:apply-templates select="t:text('copy_title')"/></h2>
      <div class="cards"><xsl:apply-templates select="$incoming | $smtp"/></div>
    </section>
  </xsl:template>

  <!-- The script announces here what it has copied. -->
  <xsl:template name="said">
    <p role="status" id="status" data-copied="{t:text('copied')}" data-failed="{t:text('copy_failed')}"/>
  </xsl:template>

  <xsl:template match="incomingServer[@type = 'imap' or @type = 'pop3'] | outgoingServer">
    <xsl:variable name="title">
      <xsl:choose>
        <xsl:when test="self::outgoingServer"><xsl:apply-templates select="t:text('outgoing_title')"/></xsl:when>
        <xsl:when test="@type = 'pop3' and $imap"><xsl:apply-templates select="t:text('pop3_title')"/></xsl:when>
        <xsl:otherwise><xsl:apply-templates select="t:text('incoming_title')"/></xsl:otherwise>
      </xsl:choose>
      <xsl:text> (</xsl:text>
      <xsl:value-of select="translate(@type, 'imapoptsv', 'IMAPOPTSV')"/>
      <xsl:text>)</xsl:text>
    </xsl:variable>
    <div class="card">
      <xsl:element name="{$card-heading}"><xsl:value-of select="$title"/></xsl:element>
      <table role="table" aria-label="{$title}">
        <xsl:call-template name="row">
          <xsl:with-param name="what" select="t:text('server')"/>
          <xsl:with-param name="value" select="hostname"/>
        </xsl:call-template>
        <xsl:call-template name="row">
          <xsl:with-param name="what" select="t:text('port')"/>
          <xsl:with-param name="value" select="port"/>
        </xsl:call-template>
        <xsl:call-template name="row">
          <xsl:with-param name="what" select="t:text('security')"/>
          <xsl:with-param name="value">
            <xsl:choose>
              <xsl:when test="socketType = 'SSL'">SSL/TLS</xsl:when>
              <xsl:when test="socketType = 'STARTTLS'">STARTTLS</xsl:when>
              <xsl:otherwise><xsl:apply-templates select="t:text('none')"/></xsl:otherwise>
            </xsl:choose>
          </xsl:with-param>
        </xsl:call-template>
        <xsl:apply-templates select="username"/>
        <tr role="row">
          <th role="rowheader"><xsl:apply-templates select="t:text('login')"/></th>
          <td role="cell">
            <xsl:choose>
              <xsl:when test="authentication[starts-with(., 'password-') or . = 'NTLM']"><xsl:apply-templates select="t:text('login_password')"/></xsl:when>
              <xsl:when test="authentication = 'OAuth2'"><xsl:apply-templates select="t:text('login_browser')"/></xsl:when>
              <xsl:when test="authentication = 'none' or authentication = 'client-IP-address'"><xsl:apply-templates select="t:text('none')"/></xsl:when>
              <xsl:otherwise><xsl:value-of select="authentication[1]"/></xsl:otherwise>
            </xsl:choose>
          </td>
        </tr>
      </table>
    </div>
  </xsl:template>

  <xsl:template match="calendar | addressbook | incomingServer[@type = 'jmap']">
    <xsl:variable name="title">
      <xsl:choose>
        <xsl:when test="self::calendar"><xsl:apply-templates select="t:text('calendar_title')"/> (CalDAV)</xsl:when>
        <xsl:when test="self::addressbook"><xsl:apply-templates select="t:text('contacts_title')"/> (CardDAV)</xsl:when>
        <xsl:otherwise><xsl:apply-templates select="t:text('jmap_title')"/> (JMAP)</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <div class="card">
      <xsl:element name="{$card-heading}"><xsl:value-of select="$title"/></xsl:element>
      <table role="table" aria-label="{$title}">
        <xsl:call-template name="row">
          <xsl:with-param name="what" select="t:text('url')"/>
          <xsl:with-param name="value" select="url"/>
        </xsl:call-template>
        <xsl:apply-templates select="username"/>
      </table>
    </div>
  </xsl:template>

  <xsl:template match="username">
    <xsl:call-template name="row">
      <xsl:with-param name="what" select="t:text('username')"/>
      <xsl:with-param name="value" select="."/>
    </xsl:call-template>
  </xsl:template>

  <!-- A value and a button to copy it. Without an address, a value that depends on it is described instead. -->
  <xsl:template name="row">
    <xsl:param name="what"/>
    <xsl:param name="value"/>
    <xsl:variable name="personal" select="contains($value, '%EMAILADDRESS%') or contains($value, '%EMAILLOCALPART%')"/>
    <tr role="row">
      <th role="rowheader"><xsl:apply-templates select="$what"/></th>
      <xsl:choose>
        <xsl:when test="$given or not($personal)">
          <td role="cell" translate="no"><xsl:value-of select="$value"/></td>
          <td role="cell">
            <button type="button" class="copy" hidden="hidden">
              <xsl:apply-templates select="t:text('copy')"/>
              <span class="unseen"><xsl:text> </xsl:text><xsl:apply-templates select="$what"/></span>
            </button>
          </td>
        </xsl:when>
        <xsl:otherwise>
          <td role="cell">
            <xsl:choose>
              <xsl:when test="$value = '%EMAILADDRESS%'"><xsl:apply-templates select="t:text('username_address')"/></xsl:when>
              <xsl:when test="$value = '%EMAILLOCALPART%'"><xsl:apply-templates select="t:text('username_local_part')"/></xsl:when>
              <xsl:otherwise><xsl:apply-templates select="t:text('username_unknown')"/></xsl:otherwise>
            </xsl:choose>
          </td>
        </xsl:otherwise>
      </xsl:choose>
    </tr>
  </xsl:template>
</xsl:stylesheet>

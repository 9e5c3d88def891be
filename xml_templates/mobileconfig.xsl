<?xml version="1.0" encoding="UTF-8"?>
<!--
  A configuration profile for iPhone, iPad and Mac (Apple's device-management schema: TopLevel, com.apple.mail.managed).

  Keys with unknown values are left out: the device then asks the user. A profile never contains a password. Apple's
  payloads do not support OAuth2, so each server is the first of its type that accepts a password or needs none.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"
              doctype-public="-//Apple//DTD PLIST 1.0//EN"
              doctype-system="http://www.apple.com/DTDs/PropertyList-1.0.dtd"/>

  <xsl:param name="protocol" select="'imap'"/>
  <!-- Whether the address and the person's name are known. -->
  <xsl:param name="emailaddress" select="false()"/>
  <xsl:param name="name" select="false()"/>
  <!-- The provider's domain in reverse, com.example -->
  <xsl:param name="reversedomain"/>

  <xsl:variable name="provider" select="/clientConfig/emailProvider"/>
  <xsl:variable name="servers" select="$provider/*[
      authentication = 'password-cleartext' or authentication = 'password-encrypted' or authentication = 'NTLM' or
      authentication = 'none' or authentication = 'client-IP-address'][
      $emailaddress or not(contains(hostname, '%EMAILLOCALPART%'))]"/>
  <xsl:variable name="services" select="/clientConfig/*[
      authentication = 'Basic' or authentication = 'Digest'][
      $emailaddress or not(contains(url, '%EMAILADDRESS%') or contains(url, '%EMAILLOCALPART%'))]"/>
  <xsl:variable name="incoming" select="$servers[self::incomingServer][@type = $protocol][1]"/>
  <xsl:variable name="outgoing" select="$servers[self::outgoingServer][@type = 'smtp'][1]"/>

  <xsl:template match="/">
    <xsl:if test="$incoming and $outgoing">
      <plist version="1.0">
        <dict>
          <key>PayloadType</key>
          <string>Configuration</string>
          <key>PayloadVersion</key>
          <integer>1</integer>
          <!-- A profile replaces an installed one for the same address; one for another address is added. -->
          <key>PayloadIdentifier</key>
          <string><xsl:value-of select="$reversedomain"/>.email.%PROFILEUUID%</string>
          <key>PayloadUUID</key>
          <string>%PROFILEUUID%</string>
          <key>PayloadDisplayName</key>
          <string><xsl:value-of select="$provider/displayName"/></string>
          <key>PayloadOrganization</key>
          <string><xsl:value-of select="$provider/displayName"/></string>
          <key>PayloadDescription</key>
          <string>Sets up your <xsl:value-of select="$provider/displayName"/> account in Mail.</string>
          <key>PayloadContent</key>
          <array>
            <dict>
              <key>PayloadType</key>
              <string>com.apple.mail.managed</string>
              <key>PayloadVersion</key>
              <integer>1</integer>
              <key>PayloadIdentifier</key>
              <string><xsl:value-of select="$reversedomain"/>.email.%PROFILEUUID%.<xsl:value-of select="$protocol"/></string>
              <key>PayloadUUID</key>
              <string>
                <xsl:choose>
                  <xsl:when test="$protocol = 'imap'">%IMAPUUID%</xsl:when>
                  <xsl:otherwise>%POP3UUID%</xsl:otherwise>
                </xsl:choose>
              </string>
              <key>PayloadDisplayName</key>
              <string><xsl:value-of select="$provider/displayName"/></string>
              <key>EmailAccountDescription</key>
              <string><xsl:value-of select="$provider/displayName"/></string>
              <key>EmailAccountType</key>
              <string>
                <xsl:choose>
                  <xsl:when test="$protocol = 'imap'">EmailTypeIMAP</xsl:when>
                  <xsl:otherwise>EmailTypePOP</xsl:otherwise>
                </xsl:choose>
              </string>
              <xsl:if test="$name">
                <key>EmailAccountName</key>
                <string>%REALNAME%</string>
              </xsl:if>
              <xsl:if test="$emailaddress">
                <key>EmailAddress</key>
                <string>%EMAILADDRESS%</string>
              </xsl:if>
              <xsl:apply-templates select="$incoming"/>
              <xsl:apply-templates select="$outgoing"/>
              <key>OutgoingPasswordSameAsIncomingPassword</key>
              <true/>
            </dict>
            <xsl:apply-templates select="$services[self::calendar][@type = 'caldav'][1]"/>
            <xsl:apply-templates select="$services[self::addressbook][@type = 'carddav'][1]"/>
          </array>
        </dict>
      </plist>
    </xsl:if>
  </xsl:template>

  <xsl:template match="incomingServer | outgoingServer">
    <xsl:variable name="key">
      <xsl:choose>
        <xsl:when test="self::incomingServer">IncomingMailServer</xsl:when>
        <xsl:otherwise>OutgoingMailServer</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <key><xsl:value-of select="$key"/>HostName</key>
    <string><xsl:value-of select="hostname"/></string>
    <key><xsl:value-of select="$key"/>PortNumber</key>
    <integer><xsl:value-of select="port"/></integer>
    <!-- Implicit TLS or STARTTLS: the device detects which. -->
    <key><xsl:value-of select="$key"/>UseSSL</key>
    <xsl:choose>
      <xsl:when test="socketType = 'plain'"><false/></xsl:when>
      <xsl:otherwise><true/></xsl:otherwise>
    </xsl:choose>
    <key><xsl:value-of select="$key"/>Authentication</key>
    <string><xsl:apply-templates select="authentication[
        . = 'password-cleartext' or . = 'password-encrypted' or . = 'NTLM' or
        . = 'none' or . = 'client-IP-address'][1]"/></string>
    <xsl:if test="username and ($emailaddress or not(contains(username, '%')))">
      <key><xsl:value-of select="$key"/>Username</key>
      <string><xsl:value-of select="username"/></string>
    </xsl:if>
  </xsl:template>

  <xsl:template match="calendar | addressbook">
    <xsl:variable name="kind">
      <xsl:choose>
        <xsl:when test="self::calendar">CalDAV</xsl:when>
        <xsl:otherwise>CardDAV</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <!-- scheme://host:port/path -->
    <xsl:variable name="scheme" select="substring-before(url, '://')"/>
    <xsl:variable name="rest" select="concat(substring-after(url, '://'), '/')"/>
    <xsl:variable name="authority" select="concat(substring-before($rest, '/'), ':')"/>
    <xsl:variable name="port" select="substring-before(substring-after($authority, ':'), ':')"/>
    <xsl:variable name="path" select="substring-after(substring-after(url, '://'), '/')"/>
    <dict>
      <key>PayloadType</key>
      <string>com.apple.<xsl:value-of select="@type"/>.account</string>
      <key>PayloadVersion</key>
      <integer>1</integer>
      <key>PayloadIdentifier</key>
      <string><xsl:value-of select="$reversedomain"/>.email.%PROFILEUUID%.<xsl:value-of select="@type"/></string>
      <key>PayloadUUID</key>
      <string>
        <xsl:choose>
          <xsl:when test="self::calendar">%CALDAVUUID%</xsl:when>
          <xsl:otherwise>%CARDDAVUUID%</xsl:otherwise>
        </xsl:choose>
      </string>
      <key>PayloadDisplayName</key>
      <string><xsl:value-of select="$provider/displayName"/></string>
      <key><xsl:value-of select="$kind"/>AccountDescription</key>
      <string><xsl:value-of select="$provider/displayName"/></string>
      <key><xsl:value-of select="$kind"/>HostName</key>
      <string><xsl:value-of select="substring-before($authority, ':')"/></string>
      <key><xsl:value-of select="$kind"/>Port</key>
      <integer>
        <xsl:choose>
          <xsl:when test="$port != ''"><xsl:value-of select="$port"/></xsl:when>
          <xsl:when test="$scheme = 'https'">443</xsl:when>
          <xsl:otherwise>80</xsl:otherwise>
        </xsl:choose>
      </integer>
      <key><xsl:value-of select="$kind"/>UseSSL</key>
      <xsl:choose>
        <xsl:when test="$scheme = 'https'"><true/></xsl:when>
        <xsl:otherwise><false/></xsl:otherwise>
      </xsl:choose>
      <xsl:if test="$path != ''">
        <key><xsl:value-of select="$kind"/>PrincipalURL</key>
        <string>/<xsl:value-of select="$path"/></string>
      </xsl:if>
      <xsl:if test="username and ($emailaddress or not(contains(username, '%')))">
        <key><xsl:value-of select="$kind"/>Username</key>
        <string><xsl:value-of select="username"/></string>
      </xsl:if>
    </dict>
  </xsl:template>

  <xsl:template match="authentication">
    <xsl:choose>
      <xsl:when test=". = 'password-cleartext'">EmailAuthPassword</xsl:when>
      <xsl:when test=". = 'password-encrypted'">EmailAuthCRAMMD5</xsl:when>
      <xsl:when test=". = 'NTLM'">EmailAuthNTLM</xsl:when>
      <xsl:otherwise>EmailAuthNone</xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!--
  Outlook's settings (MS-OXDSCLI, and Microsoft's plan for providers of POP and IMAP accounts).

  Outlook sends only passwords, so each server is the first of its type that accepts a password or needs none.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
  <xsl:output method="xml" encoding="UTF-8" indent="yes"/>

  <!-- Whether to include the username: only if the request names an address. -->
  <xsl:param name="loginname" select="false()"/>

  <xsl:variable name="servers" select="/clientConfig/emailProvider/*[
      authentication = 'password-cleartext' or authentication = 'password-encrypted' or
      authentication = 'none' or authentication = 'client-IP-address'][
      $loginname or not(contains(hostname, '%EMAILLOCALPART%'))]"/>
  <xsl:variable name="services" select="/clientConfig/*[
      authentication = 'Basic' or authentication = 'Digest'][
      $loginname or not(contains(url, '%EMAILADDRESS%') or contains(url, '%EMAILLOCALPART%'))]"/>
  <xsl:variable name="imap" select="$servers[self::incomingServer][@type = 'imap'][1]"/>
  <xsl:variable name="pop3" select="$servers[self::incomingServer][@type = 'pop3'][1]"/>
  <xsl:variable name="smtp" select="$servers[self::outgoingServer][@type = 'smtp'][1]"/>

  <xsl:template match="/">
    <xsl:if test="($imap or $pop3) and $smtp">
      <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
        <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
          <Account>
            <AccountType>email</AccountType>
            <Action>settings</Action>
            <xsl:apply-templates select="$imap"/>
            <xsl:apply-templates select="$pop3"/>
            <xsl:apply-templates select="$smtp"/>
            <xsl:apply-templates select="$services[self::calendar][@type = 'caldav'][1]"/>
            <xsl:apply-templates select="$services[self::addressbook][@type = 'carddav'][1]"/>
          </Account>
        </Response>
      </Autodiscover>
    </xsl:if>
  </xsl:template>

  <!-- For eM Client: the server is a URL. -->
  <xsl:template match="calendar | addressbook">
    <Protocol>
      <Type>
        <xsl:choose>
          <xsl:when test="self::calendar">CalDAV</xsl:when>
          <xsl:otherwise>CardDAV</xsl:otherwise>
        </xsl:choose>
      </Type>
      <Server><xsl:value-of select="url"/></Server>
      <DomainRequired>off</DomainRequired>
      <xsl:if test="$loginname and username">
        <LoginName><xsl:value-of select="username"/></LoginName>
      </xsl:if>
    </Protocol>
  </xsl:template>

  <xsl:template match="incomingServer | outgoingServer">
    <Protocol>
      <Type><xsl:value-of select="translate(@type, 'imapostp', 'IMAPOSTP')"/></Type>
      <Server><xsl:value-of select="hostname"/></Server>
      <Port><xsl:value-of select="port"/></Port>
      <DomainRequired>off</DomainRequired>
      <xsl:if test="$loginname and username">
        <LoginName><xsl:value-of select="username"/></LoginName>
      </xsl:if>
      <!-- The default is on. -->
      <SPA>off</SPA>
      <!-- Encryption overrides SSL; Outlook 2007 reads only SSL, as implicit TLS. -->
      <SSL>
        <xsl:choose>
          <xsl:when test="socketType = 'SSL'">on</xsl:when>
          <xsl:otherwise>off</xsl:otherwise>
        </xsl:choose>
      </SSL>
      <Encryption>
        <xsl:choose>
          <xsl:when test="socketType = 'SSL'">SSL</xsl:when>
          <xsl:when test="socketType = 'STARTTLS'">TLS</xsl:when>
          <xsl:otherwise>None</xsl:otherwise>
        </xsl:choose>
      </Encryption>
      <AuthRequired>
        <xsl:choose>
          <xsl:when test="authentication = 'password-cleartext' or authentication = 'password-encrypted'">on</xsl:when>
          <xsl:otherwise>off</xsl:otherwise>
        </xsl:choose>
      </AuthRequired>
      <xsl:if test="self::outgoingServer">
        <!-- Sending with the mailbox's username and password works only if both servers use the same username. -->
        <UsePOPAuth>
          <xsl:choose>
            <xsl:when test="username = ($imap | $pop3)[1]/username">on</xsl:when>
            <xsl:otherwise>off</xsl:otherwise>
          </xsl:choose>
        </UsePOPAuth>
        <SMTPLast>off</SMTPLast>
      </xsl:if>
    </Protocol>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!--
  The setup page, for people whose mail app asks nobody: one page for every device.

  Without style every section shows; style picks one, by the link that was followed or else by the visitor's platform. Menu
  names are those of iOS 18, macOS 15, Thunderbird 153, Outlook of Microsoft 365 and Gmail for Android, all in English.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>

  <!-- Whether there is a profile for Apple's devices, and whether it is signed. -->
  <xsl:param name="profile" select="false()"/>
  <xsl:param name="signed" select="false()"/>
  <!-- What changes in the address of style, script and icon when they do. -->
  <xsl:param name="edition"/>

  <xsl:variable name="provider" select="/clientConfig/emailProvider"/>
  <xsl:variable name="name" select="$provider/displayName"/>
  <xsl:variable name="imap" select="$provider/incomingServer[@type = 'imap'][1]"/>
  <xsl:variable name="pop3" select="$provider/incomingServer[@type = 'pop3'][1]"/>
  <xsl:variable name="smtp" select="$provider/outgoingServer[@type = 'smtp'][1]"/>
  <xsl:variable name="incoming" select="($imap | $pop3[not($imap)])"/>
  <xsl:variable name="passwords" select="$incoming/authentication[starts-with(., 'password-')]"/>
  <xsl:variable name="services" select="$provider/incomingServer[@type = 'jmap'] |
      /clientConfig/calendar[@type = 'caldav'] | /clientConfig/addressbook[@type = 'carddav']"/>

  <xsl:template match="/">
    <html lang="en-GB">
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <meta name="format-detection" content="telephone=no"/>
        <title>%ERROR%Set up <xsl:value-of select="$name"/> in your mail app</title>
        <link rel="icon" type="image/svg+xml" href="/site/icon.svg?{$edition}"/>
        <link rel="stylesheet" href="/site/setup.css?{$edition}"/>
        <script src="/site/setup.js?{$edition}" defer="defer"/>
      </head>
      <body>
        <header>
          <h1>Set up <xsl:value-of select="$name"/> in your mail app</h1>
          <form method="post" action="/" novalidate="novalidate" id="address">
            <label for="emailaddress">Your e-mail address <span class="optional">(optional)</span></label>
            <div class="field">
              <input type="email" id="emailaddress" name="emailaddress" value="%TYPED%" autocomplete="email"
                     spellcheck="false" autocapitalize="none" aria-describedby="problem promise" aria-invalid="%INVALID%"/>
              <button type="submit">Fill it in for me</button>
            </div>
            <p id="problem" role="alert">%PROBLEM%</p>
            <p id="promise">It goes into the settings below and is not kept.</p>
          </form>
        </header>
        <main data-platform="%PLATFORM%">
          <nav aria-label="Your device or app">
            <ul>
              <xsl:if test="$profile">
                <li><a href="#apple"><xsl:call-template name="phone"/><span>iPhone, iPad or Mac</span></a></li>
              </xsl:if>
              <xsl:if test="$incoming">
                <li><a href="#thunderbird"><xsl:call-template name="envelope"/><span>Thunderbird</span></a></li>
              </xsl:if>
              <xsl:if test="$passwords">
                <li><a href="#outlook"><xsl:call-template name="window"/><span>Outlook</span></a></li>
              </xsl:if>
              <xsl:if test="$incoming">
                <li><a href="#android"><xsl:call-template name="phone"/><span>Android</span></a></li>
              </xsl:if>
              <li><a href="#other"><xsl:call-template name="list"/><span>Any other app</span></a></li>
            </ul>
          </nav>
          <xsl:if test="$profile">
            <xsl:call-template name="apple"/>
          </xsl:if>
          <xsl:if test="$incoming">
            <xsl:call-template name="thunderbird"/>
          </xsl:if>
          <xsl:if test="$passwords">
            <xsl:call-template name="outlook"/>
          </xsl:if>
          <xsl:if test="$incoming">
            <xsl:call-template name="android"/>
          </xsl:if>
          <section class="device" id="other" aria-labelledby="other-title">
            <h2 id="other-title">Any other app</h2>
            <p>Choose manual set-up in the app, if it lets you, and copy these.</p>
          </section>
          <xsl:call-template name="settings"/>
          <p role="status" id="status"/>
        </main>
        <footer>
          <ul>
            <xsl:for-each select="$provider/documentation">
              <li><a href="{@url}" rel="noreferrer">
                <xsl:choose>
                  <xsl:when test="descr[@lang = 'en']"><xsl:value-of select="descr[@lang = 'en'][1]"/></xsl:when>
                  <xsl:when test="descr"><xsl:value-of select="descr[1]"/></xsl:when>
                  <xsl:otherwise>Help from <xsl:value-of select="$name"/></xsl:otherwise>
                </xsl:choose>
              </a></li>
            </xsl:for-each>
            <xsl:for-each select="/clientConfig/webMail/loginPage">
              <li><a href="{@url}" rel="noreferrer">Read your mail in the browser</a></li>
            </xsl:for-each>
          </ul>
        </footer>
      </body>
    </html>
  </xsl:template>

  <!-- The devices and apps -->

  <xsl:template name="apple">
    <section class="device" id="apple" aria-labelledby="apple-title">
      <h2 id="apple-title">iPhone, iPad or Mac</h2>
      <div class="beside">
        <div>
          <p>One small file, a profile, sets up the Mail app.</p>
          <form method="post" action="/email.mobileconfig">
            <input type="hidden" name="emailaddress" value="%GIVEN%"/>
            <button type="submit">Download the profile</button>
          </form>
        </div>
        <figure>
          <svg viewBox="0 0 %QRSIZE% %QRSIZE%" role="img" aria-label="QR code that opens the profile on a phone">
            <path d="%QRPATH%" stroke="#000"/>
          </svg>
          <figcaption>For your iPhone or iPad: point its camera here, or open <a href="%PROFILEURL%">%PROFILEURL%</a></figcaption>
        </figure>
      </div>
      <h3>Then on an iPhone or iPad</h3>
      <ol>
        <li>Tap <b>Allow</b> when Safari asks. It says <b>Profile Downloaded</b>.</li>
        <li>Open <b>Settings</b> and tap <b>Profile Downloaded</b>, near the top. Do it within eight minutes, or download again.</li>
        <li>Tap <b>Install</b>, enter the passcode of your device, and your <xsl:value-of select="$name"/> address (if it
          asks) and password.</li>
      </ol>
      <h3>Then on a Mac</h3>
      <ol>
        <li>Open <b>System Settings</b>, <b>General</b>, <b>Device Management</b> (before macOS 15: <b>Privacy &amp; Security</b>,
          <b>Profiles</b>) and double-click <b><xsl:value-of select="$name"/></b>.</li>
        <li>Click <b>Install</b> and enter your <xsl:value-of select="$name"/> password.</li>
      </ol>
      <p class="note">
        <xsl:choose>
          <xsl:when test="$signed">Your device should show the profile as <b>Verified</b>, in green. If it says anything else, do
            not install it.</xsl:when>
          <xsl:otherwise>Your device will say <b>Not Signed</b> or <b>Unsigned</b>, and a Mac that the developer is not known. That
            is what it says of a profile without a signature: this one holds the settings below and nothing else.</xsl:otherwise>
        </xsl:choose>
      </p>
    </section>
  </xsl:template>

  <xsl:template name="thunderbird">
    <section class="device" id="thunderbird" aria-labelledby="thunderbird-title">
      <h2 id="thunderbird-title">Thunderbird</h2>
      <p>Type your address and password; it finds the rest. So do Evolution, KMail and Delta Chat.</p>
      <ol>
        <li>Open the menu <b>≡</b>, then <b>New Account</b>, <b>Email</b>.</li>
        <li>Enter your name and your <xsl:value-of select="$name"/> address, and continue.</li>
        <li>Enter your password when it asks.
          <xsl:if test="$imap and $pop3"> Of two ways to connect, choose <b>IMAP</b>.</xsl:if></li>
      </ol>
    </section>
  </xsl:template>

  <xsl:template name="outlook">
    <section class="device" id="outlook" aria-labelledby="outlook-title">
      <h2 id="outlook-title">Outlook</h2>
      <p>Outlook asks Microsoft first, who may not know your provider. Two buttons get past that.</p>
      <ol>
        <li>Choose <b>File</b>, <b>Add Account</b> and enter your <xsl:value-of select="$name"/> address.</li>
        <li>Open <b>Advanced options</b>, tick <b>Let me set up my account manually</b> and choose <b>Connect</b>.</li>
        <li>Choose <b>
          <xsl:choose>
            <xsl:when test="$imap">IMAP</xsl:when>
            <xsl:otherwise>POP</xsl:otherwise>
          </xsl:choose>
        </b>, copy the settings below where Outlook has not found them, and enter your password.</li>
      </ol>
      <p>In the new Outlook for Windows: <b>Settings</b>, <b>Accounts</b>, <b>Add account</b>; when it does not find your provider,
        choose <xsl:choose><xsl:when test="$imap"><b>IMAP</b></xsl:when><xsl:otherwise><b>POP</b></xsl:otherwise></xsl:choose>
        and <b>Show more</b>, and copy the settings below.</p>
    </section>
  </xsl:template>

  <xsl:template name="android">
    <section class="device" id="android" aria-labelledby="android-title">
      <h2 id="android-title">Android</h2>
      <h3>Thunderbird or K-9 Mail</h3>
      <p>Type your address and password; it finds the rest.</p>
      <h3>Gmail</h3>
      <ol>
        <li>Tap your picture, <b>Add another account</b>, then <b>Other</b>.</li>
        <li>Enter your <xsl:value-of select="$name"/> address and tap <b>Manual setup</b>, then
          <b>Personal (<xsl:choose><xsl:when test="$imap">IMAP</xsl:when><xsl:otherwise>POP3</xsl:otherwise></xsl:choose>)</b>.</li>
        <li>Enter your password, then the settings below: first incoming mail, then outgoing.</li>
      </ol>
      <h3>Samsung Email</h3>
      <ol>
        <li>Choose <b>Other</b>, enter your address and password, and tap <b>Manual setup</b>.</li>
        <li>Choose <b><xsl:choose><xsl:when test="$imap">IMAP</xsl:when><xsl:otherwise>POP3</xsl:otherwise></xsl:choose>
          account</b> and enter the settings below.</li>
      </ol>
    </section>
  </xsl:template>

  <!-- The settings themselves -->

  <xsl:template name="settings">
    <section id="settings" aria-labelledby="settings-title">
      <h2 id="settings-title">The settings</h2>
      <div class="cards">
        <xsl:apply-templates select="$imap | $smtp"/>
        <xsl:apply-templates select="$pop3"/>
        <xsl:apply-templates select="$services"/>
      </div>
    </section>
  </xsl:template>

  <xsl:template match="incomingServer[@type = 'imap' or @type = 'pop3'] | outgoingServer">
    <xsl:variable name="title">
      <xsl:choose>
        <xsl:when test="@type = 'imap'">Incoming mail: IMAP</xsl:when>
        <xsl:when test="@type = 'pop3' and $imap">Instead of IMAP: POP3</xsl:when>
        <xsl:when test="@type = 'pop3'">Incoming mail: POP3</xsl:when>
        <xsl:otherwise>Outgoing mail: SMTP</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <div class="card">
      <h3><xsl:value-of select="$title"/></h3>
      <p>
        <xsl:choose>
          <xsl:when test="@type = 'imap'">Your mail stays on the server, the same on all your devices.</xsl:when>
          <xsl:when test="@type = 'pop3'">Your mail moves to one device, and is then only there.</xsl:when>
          <xsl:otherwise>It sends your mail, whichever way it comes in.</xsl:otherwise>
        </xsl:choose>
      </p>
      <table role="table" aria-label="{$title}">
        <xsl:call-template name="row">
          <xsl:with-param name="what">Server</xsl:with-param>
          <xsl:with-param name="value" select="hostname"/>
        </xsl:call-template>
        <xsl:call-template name="row">
          <xsl:with-param name="what">Port</xsl:with-param>
          <xsl:with-param name="value" select="port"/>
        </xsl:call-template>
        <xsl:call-template name="row">
          <xsl:with-param name="what">Security</xsl:with-param>
          <xsl:with-param name="value">
            <xsl:choose>
              <xsl:when test="socketType = 'SSL'">SSL/TLS</xsl:when>
              <xsl:when test="socketType = 'STARTTLS'">STARTTLS</xsl:when>
              <xsl:otherwise>None</xsl:otherwise>
            </xsl:choose>
          </xsl:with-param>
        </xsl:call-template>
        <xsl:apply-templates select="username"/>
        <tr role="row">
          <th role="rowheader">Sign-in</th>
          <td role="cell">
            <xsl:choose>
              <xsl:when test="authentication[starts-with(., 'password-') or . = 'NTLM']">Your
                <xsl:value-of select="concat(' ', $name)"/> password</xsl:when>
              <xsl:when test="authentication = 'OAuth2'">In the browser, when the app opens it (OAuth2)</xsl:when>
              <xsl:when test="authentication = 'none' or authentication = 'client-IP-address'">None</xsl:when>
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
        <xsl:when test="self::calendar">Calendar: CalDAV</xsl:when>
        <xsl:when test="self::addressbook">Contacts: CardDAV</xsl:when>
        <xsl:otherwise>Mail in one: JMAP</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <div class="card">
      <h3><xsl:value-of select="$title"/></h3>
      <table role="table" aria-label="{$title}">
        <xsl:call-template name="row">
          <xsl:with-param name="what">Address</xsl:with-param>
          <xsl:with-param name="value" select="url"/>
        </xsl:call-template>
        <xsl:apply-templates select="username"/>
      </table>
    </div>
  </xsl:template>

  <xsl:template match="username">
    <xsl:call-template name="row">
      <xsl:with-param name="what">Username</xsl:with-param>
      <xsl:with-param name="value" select="."/>
    </xsl:call-template>
  </xsl:template>

  <!-- A value that can be copied; but one that depends on the address, only when there is one: the script looks. -->
  <xsl:template name="row">
    <xsl:param name="what"/>
    <xsl:param name="value"/>
    <tr role="row">
      <th role="rowheader"><xsl:value-of select="$what"/></th>
      <td role="cell">
        <xsl:if test="contains($value, '%EMAILADDRESS%') or contains($value, '%EMAILLOCALPART%')">
          <xsl:attribute name="data-given">%GIVEN%</xsl:attribute>
        </xsl:if>
        <xsl:value-of select="$value"/>
      </td>
      <td role="cell"><button type="button" class="copy" hidden="hidden">Copy<span class="unseen"><xsl:text> </xsl:text><xsl:value-of select="$what"/></span></button></td>
    </tr>
  </xsl:template>

  <!-- Pictures -->

  <xsl:template name="phone">
    <svg viewBox="0 0 24 24" aria-hidden="true"><rect x="7" y="2.5" width="10" height="19" rx="2.5"/><path d="M11 18.5h2"/></svg>
  </xsl:template>

  <xsl:template name="envelope">
    <svg viewBox="0 0 24 24" aria-hidden="true"><rect x="2.5" y="5" width="19" height="14" rx="2.5"/><path d="m3.5 7 8.5 6.5L20.5 7"/></svg>
  </xsl:template>

  <xsl:template name="window">
    <svg viewBox="0 0 24 24" aria-hidden="true"><rect x="2.5" y="4" width="19" height="16" rx="2.5"/><path d="M2.5 9h19M6 6.5h.01M9 6.5h.01"/></svg>
  </xsl:template>

  <xsl:template name="list">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M9 6h12M9 12h12M9 18h12M4 6h.01M4 12h.01M4 18h.01"/></svg>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!-- The setup page for one app: steps, how to tell that it works, and what to do when it does not. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="urn:setup-page:texts"
                exclude-result-prefixes="t">

  <xsl:template name="app">
    <xsl:variable name="key" select="translate($step, '-', '_')"/>
    <xsl:variable name="apple" select="$app/@requires = 'profile'"/>
    <xsl:call-template name="back"/>
    <h1><xsl:call-template name="title"/></h1>
    <xsl:call-template name="fill-in"/>
    <section aria-labelledby="need-title">
      <h2 id="need-title"><xsl:apply-templates select="t:text('need_title')"/></h2>
      <p><xsl:apply-templates select="t:text('need_text')"/></p>
      <xsl:if test="$step = 'thunderbird-android'">
        <p><xsl:apply-templates select="t:text('thunderbird_android_need')"/></p>
      </xsl:if>
    </section>
    <xsl:if test="$scannable">
      <xsl:call-template name="scan"/>
    </xsl:if>
    <xsl:if test="$app/@on = 'phone'">
      <xsl:call-template name="on-the-phone"/>
    </xsl:if>
    <section aria-labelledby="steps-title">
      <h2 id="steps-title">
        <xsl:choose>
          <xsl:when test="$scannable"><xsl:apply-templates select="t:text('type_title')"/></xsl:when>
          <xsl:otherwise><xsl:apply-templates select="t:text('steps_title')"/></xsl:otherwise>
        </xsl:choose>
      </h2>
      <xsl:if test="$apple">
        <xsl:call-template name="profile"/>
      </xsl:if>
      <ol class="steps"><xsl:apply-templates select="t:text(concat($key, '_steps'))"/></ol>
    </section>
    <xsl:if test="$app/@copies">
      <xsl:call-template name="settings"/>
    </xsl:if>
    <section aria-labelledby="works-title">
      <h2 id="works-title"><xsl:apply-templates select="t:text('works_title')"/></h2>
      <ul><xsl:apply-templates select="t:text('works')"/></ul>
    </section>
    <section aria-labelledby="fails-title">
      <h2 id="fails-title"><xsl:apply-templates select="t:text('fails_title')"/></h2>
      <ul>
        <xsl:apply-templates select="t:text(concat($key, '_fails'))"/>
        <xsl:apply-templates select="t:text('fails')"/>
      </ul>
    </section>
    <xsl:if test="$apple">
      <details id="manual">
        <xsl:if test="not($signed)"><xsl:attribute name="open">open</xsl:attribute></xsl:if>
        <summary><h2><xsl:apply-templates select="t:text('manual_title')"/></h2></summary>
        <ol class="steps"><xsl:apply-templates select="t:text(concat($key, '_manual'))"/></ol>
        <xsl:call-template name="settings"/>
      </details>
    </xsl:if>
    <xsl:call-template name="options"/>
    <xsl:call-template name="said"/>
  </xsl:template>

  <xsl:template name="back">
    <p class="back">
      <xsl:call-template name="link">
        <xsl:with-param name="to">setup/</xsl:with-param>
        <xsl:with-param name="text"><xsl:apply-templates select="t:text('back')"/></xsl:with-param>
      </xsl:call-template>
    </p>
  </xsl:template>

  <!-- For visitors who followed a link: they can still enter their address. -->
  <xsl:template name="fill-in">
    <xsl:if test="not($given)">
      <form method="post" action="{$home}{$path}" novalidate="novalidate" class="fill">
        <label for="emailaddress"><xsl:apply-templates select="t:text('fill_label')"/></label>
        <p id="promise" class="hint"><xsl:apply-templates select="t:text('address_promise')"/></p>
        <div class="field">
          <input type="email" id="emailaddress" name="emailaddress" autocomplete="email" spellcheck="false"
                 autocapitalize="none" aria-describedby="promise"/>
          <button type="submit"><xsl:apply-templates select="t:text('fill_button')"/></button>
        </div>
      </form>
    </xsl:if>
  </xsl:template>

  <!-- Apple's profile, and what the device shows when it is installed. -->
  <xsl:template name="profile">
    <p><xsl:apply-templates select="t:text('profile_text')"/></p>
    <form method="post" action="{$root}/email.mobileconfig">
      <xsl:if test="$given"><input type="hidden" name="emailaddress" value="%EMAILADDRESS%"/></xsl:if>
      <button type="submit"><xsl:apply-templates select="t:text('profile_button')"/></button>
    </form>
    <p>
      <xsl:choose>
        <xsl:when test="$signed"><xsl:apply-templates select="t:text('profile_signed')"/></xsl:when>
        <xsl:otherwise>
          <xsl:apply-templates select="t:text('profile_unsigned')"/>
          <xsl:text> </xsl:text>
          <a href="#manual"><xsl:apply-templates select="t:text('manual_title')"/></a>
        </xsl:otherwise>
      </xsl:choose>
    </p>
  </xsl:template>

  <!-- From the computer to the phone: the URL of this page, without an address, because URLs never contain one. -->
  <xsl:template name="on-the-phone">
    <figure class="elsewhere">
      <svg viewBox="0 0 %PAGEQRSIZE% %PAGEQRSIZE%" role="img" aria-label="{t:text('phone_code')}">
        <path d="%PAGEQR%" stroke="#000"/>
      </svg>
      <figcaption>
        <strong><xsl:apply-templates select="t:text('phone_title')"/></strong>
        <br/>
        <xsl:apply-templates select="t:text('phone_text')"/>
        <br/>
        <a href="%PAGEURL%">%PAGEURL%</a>
      </figcaption>
    </figure>
    <xsl:if test="$step = 'iphone'">
      <figure class="elsewhere">
        <svg viewBox="0 0 %PROFILEQRSIZE% %PROFILEQRSIZE%" role="img" aria-label="{t:text('profile_code')}">
          <path d="%PROFILEQR%" stroke="#000"/>
        </svg>
        <figcaption>
          <strong><xsl:apply-templates select="t:text('profile_scan')"/></strong>
          <br/>
          <xsl:apply-templates select="t:text('profile_scan_text')"/>
          <br/>
          <a href="%PROFILEURL%">%PROFILEURL%</a>
        </figcaption>
      </figure>
    </xsl:if>
  </xsl:template>

  <!-- The whole account in one QR code; the style sheet hides it on phones, which cannot scan their own screen. -->
  <xsl:template name="scan">
    <section class="elsewhere" aria-labelledby="scan-title">
      <h2 id="scan-title"><xsl:apply-templates select="t:text('scan_title')"/></h2>
      <svg class="account" viewBox="0 0 %ACCOUNTQRSIZE% %ACCOUNTQRSIZE%" role="img" aria-label="{t:text('scan_code')}">
        <path d="%ACCOUNTQR%" stroke="#000"/>
      </svg>
      <ol class="steps"><xsl:apply-templates select="t:text('scan_steps')"/></ol>
    </section>
  </xsl:template>

  <xsl:template name="options">
    <details class="options">
      <summary><h2><xsl:apply-templates select="t:text('options_title')"/></h2></summary>
      <xsl:if test="$imap and $pop3">
        <h3>POP3</h3>
        <p><xsl:apply-templates select="t:text('pop3_text')"/></p>
        <xsl:choose>
          <xsl:when test="$app/@requires = 'profile' and $pop3profile">
            <form method="post" action="{$root}/email.mobileconfig">
              <xsl:if test="$given"><input type="hidden" name="emailaddress" value="%EMAILADDRESS%"/></xsl:if>
              <input type="hidden" name="protocol" value="pop3"/>
              <button type="submit" class="second"><xsl:apply-templates select="t:text('pop3_profile_button')"/></button>
            </form>
          </xsl:when>
          <xsl:otherwise><div class="cards"><xsl:apply-templates select="$pop3"/></div></xsl:otherwise>
        </xsl:choose>
      </xsl:if>
      <ul class="links">
        <li>
          <xsl:call-template name="link">
            <xsl:with-param name="to">setup/</xsl:with-param>
            <xsl:with-param name="text"><xsl:apply-templates select="t:text('choice_link')"/></xsl:with-param>
          </xsl:call-template>
        </li>
        <li>
          <xsl:call-template name="link">
            <xsl:with-param name="to">settings/</xsl:with-param>
            <xsl:with-param name="text"><xsl:apply-templates select="t:text('settings_link')"/></xsl:with-param>
          </xsl:call-template>
        </li>
      </ul>
    </details>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!-- The setup page's first two questions: the address, and the device or app. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="urn:setup-page:texts"
                exclude-result-prefixes="t">

  <!-- "What is your address?", with an error message first if there is one. -->
  <xsl:template name="address">
    <xsl:if test="$problem != ''">
      <section class="problem" role="alert" tabindex="-1" autofocus="autofocus" aria-labelledby="problem-title">
        <h2 id="problem-title"><xsl:apply-templates select="t:text('problem_title')"/></h2>
        <p><a href="#emailaddress"><xsl:apply-templates select="t:text(concat('problem_', $problem))"/></a></p>
        <xsl:if test="$suggested">
          <form method="post" action="%NEXT%">
            <input type="hidden" name="emailaddress" value="%SUGGESTION%"/>
            <button type="submit"><xsl:apply-templates select="t:text('suggestion_button')"/></button>
          </form>
        </xsl:if>
      </section>
    </xsl:if>
    <xsl:if test="$problem = ''">
      <xsl:call-template name="old-links"/>
    </xsl:if>
    <form method="post" action="%NEXT%" novalidate="novalidate" class="question">
      <h1><label for="emailaddress"><xsl:call-template name="title"/></label></h1>
      <p id="hint" class="hint"><xsl:apply-templates select="t:text('address_hint')"/></p>
      <xsl:if test="$problem != ''">
        <p id="problem" class="wrong"><xsl:apply-templates select="t:text(concat('problem_', $problem))"/></p>
      </xsl:if>
      <input type="email" id="emailaddress" name="emailaddress" value="%TYPED%" autocomplete="email" spellcheck="false"
             autocapitalize="none" aria-describedby="hint promise">
        <xsl:if test="$problem != ''">
          <xsl:attribute name="aria-describedby">problem hint promise</xsl:attribute>
          <xsl:attribute name="aria-invalid">true</xsl:attribute>
        </xsl:if>
      </input>
      <p id="promise" class="hint"><xsl:apply-templates select="t:text('address_promise')"/></p>
      <button type="submit"><xsl:apply-templates select="t:text('continue')"/></button>
    </form>
    <p><a href="{$home}setup/"><xsl:apply-templates select="t:text('address_skip')"/></a></p>
  </xsl:template>

  <!-- Old links name a section of the former page, such as /#outlook: the style sheet shows the apps for it. -->
  <xsl:template name="old-links">
    <xsl:for-each select="$offered">
      <xsl:variable name="old" select="@old"/>
      <xsl:if test="generate-id() = generate-id($offered[@old = $old][1])">
        <nav class="old" id="{$old}" aria-labelledby="{$old}-title">
          <h2 id="{$old}-title"><xsl:apply-templates select="t:text('choice_title')"/></h2>
          <ul class="choice">
            <xsl:apply-templates select="$offered[@old = $old]" mode="choice"/>
          </ul>
        </nav>
      </xsl:if>
    </xsl:for-each>
  </xsl:template>

  <!-- For another provider's address: it says only that this page is not for it. -->
  <xsl:template name="foreign">
    <h1><xsl:call-template name="title"/></h1>
    <p><xsl:apply-templates select="t:text('foreign_text')"/></p>
    <p><a href="{$home}" class="button"><xsl:apply-templates select="t:text('foreign_again')"/></a></p>
  </xsl:template>

  <xsl:template name="choice">
    <p class="back"><a href="{$home}"><xsl:apply-templates select="t:text('back')"/></a></p>
    <xsl:variable name="wanted" select="concat(' ', $setup/platform[@id = $platform]/@first, ' ')"/>
    <xsl:variable name="first" select="$offered[contains($wanted, concat(' ', @id, ' '))]"/>
    <xsl:variable name="others" select="$offered[not(contains($wanted, concat(' ', @id, ' ')))]"/>
    <h1><xsl:call-template name="title"/></h1>
    <xsl:if test="$given">
      <p><xsl:apply-templates select="t:text('choice_for')"/></p>
    </xsl:if>
    <xsl:if test="$first">
      <h2><xsl:apply-templates select="t:text('choice_first')"/></h2>
      <p class="hint"><xsl:apply-templates select="t:text('choice_unsure')"/></p>
      <ul class="choice">
        <xsl:apply-templates select="$first" mode="choice">
          <!-- In the order in which the platform lists them -->
          <xsl:sort select="string-length(substring-before($wanted, concat(' ', @id, ' ')))" data-type="number"/>
        </xsl:apply-templates>
      </ul>
      <h2><xsl:apply-templates select="t:text('choice_others')"/></h2>
    </xsl:if>
    <ul class="choice">
      <xsl:apply-templates select="$others" mode="choice"/>
    </ul>
    <p>
      <xsl:call-template name="link">
        <xsl:with-param name="to">settings/</xsl:with-param>
        <xsl:with-param name="text"><xsl:apply-templates select="t:text('settings_link')"/></xsl:with-param>
      </xsl:call-template>
    </p>
  </xsl:template>

  <xsl:template match="app" mode="choice">
    <xsl:variable name="key" select="translate(@id, '-', '_')"/>
    <li>
      <xsl:call-template name="link">
        <xsl:with-param name="to" select="concat('setup/', @id, '/')"/>
        <xsl:with-param name="class">tile</xsl:with-param>
        <xsl:with-param name="text">
          <xsl:call-template name="picture"/>
          <span>
            <span class="name"><xsl:apply-templates select="t:text(concat($key, '_name'))"/></span>
            <xsl:text> </xsl:text>
            <span class="hint"><xsl:apply-templates select="t:text(concat($key, '_hint'))"/></span>
          </span>
        </xsl:with-param>
      </xsl:call-template>
    </li>
  </xsl:template>

  <xsl:template name="picture">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <xsl:choose>
        <xsl:when test="@on = 'phone'"><rect x="7" y="2.5" width="10" height="19" rx="2.5"/><path d="M11 18.5h2"/></xsl:when>
        <xsl:when test="@on = 'computer'"><rect x="2.5" y="4" width="19" height="12.5" rx="2"/><path d="M8 20.5h8M12 16.5v4"/></xsl:when>
        <xsl:otherwise><rect x="2.5" y="5" width="19" height="14" rx="2.5"/><path d="m3.5 7 8.5 6.5L20.5 7"/></xsl:otherwise>
      </xsl:choose>
    </svg>
  </xsl:template>
</xsl:stylesheet>

<?xml version="1.0" encoding="UTF-8"?>
<!--
  The report of `bt-autoconfig check` as one self-contained page, to keep or to send. It has no scripts and loads nothing.
  Its input is the tree that operations/report_formats.py builds.
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="UTF-8" doctype-system="about:legacy-compat"/>

  <xsl:template match="report">
    <html lang="en">
      <head>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="referrer" content="no-referrer"/>
        <title>Mail setup check: <xsl:call-template name="domains"/></title>
        <style>
          :root { color-scheme: light dark; --good: #1a7f37; --poor: #9a6700; --bad: #c11c2b; --unknown: #8250df; --line: #8883; }
          @media (prefers-color-scheme: dark) { :root { --good: #4ac26b; --poor: #e0b34a; --bad: #ff7b72; --unknown: #c297ff; } }
          body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
          h1 { font-size: 1.5rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
          .summary { font-size: 1.125rem; margin: 0 0 2rem; }
          .time { margin: 0; opacity: .75; }
          h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
          table { width: 100%; border-collapse: collapse; }
          th, td { text-align: left; vertical-align: top; font-weight: normal; padding: .5rem .75rem .5rem 0;
                   border-top: 1px solid var(--line); overflow-wrap: anywhere; }
          th { width: 38%; } td.verdict { width: 7.5rem; white-space: nowrap; font-weight: 600; }
          .remedy { display: block; font-weight: 600; }
          .ok { color: var(--good); } .warning { color: var(--poor); } .error { color: var(--bad); }
          .unknown { color: var(--unknown); } .skipped { opacity: .7; }
          @media (max-width: 40rem) { tr, th, td { display: block; width: auto; border: 0; padding: .125rem 0; }
                                      tr { border-top: 1px solid var(--line); padding: .5rem 0; } }
          @media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
        </style>
      </head>
      <body>
        <main>
          <h1>Mail setup check: <xsl:call-template name="domains"/></h1>
          <p class="time"><xsl:value-of select="@time"/></p>
          <p class="summary"><xsl:value-of select="@summary"/></p>
          <xsl:apply-templates select="area"/>
        </main>
      </body>
    </html>
  </xsl:template>

  <xsl:template name="domains">
    <xsl:value-of select="domain[1]/@name"/>
    <xsl:if test="count(domain) &gt; 1"> and <xsl:value-of select="count(domain) - 1"/> more</xsl:if>
  </xsl:template>

  <xsl:template match="area">
    <section>
      <h2><xsl:value-of select="@name"/></h2>
      <table>
        <xsl:apply-templates select="line"/>
      </table>
    </section>
  </xsl:template>

  <xsl:template match="line">
    <tr>
      <td class="verdict {@verdict}">
        <xsl:choose>
          <xsl:when test="@verdict = 'ok'">✓ OK</xsl:when>
          <xsl:when test="@verdict = 'warning'">! warning</xsl:when>
          <xsl:when test="@verdict = 'error'">✗ error</xsl:when>
          <xsl:when test="@verdict = 'unknown'">? unknown</xsl:when>
          <xsl:otherwise>· skipped</xsl:otherwise>
        </xsl:choose>
      </td>
      <th scope="row"><xsl:value-of select="@subject"/></th>
      <td>
        <xsl:value-of select="found"/>
        <xsl:if test="remedy">
          <span class="remedy">→ <xsl:value-of select="remedy"/></span>
        </xsl:if>
      </td>
    </tr>
  </xsl:template>
</xsl:stylesheet>

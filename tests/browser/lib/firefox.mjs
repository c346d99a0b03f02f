/*
 * Debian's Firefox, over WebDriver BiDi, to look at a Halley of running.mjs with.
 *
 *   const firefox = await Firefox.start();
 *   const context = await firefox.context();            // cookies, storage and connections of its own
 *   const page = await firefox.page(url, context);      // a tab there
 *   const tab = await firefox.listener(url, context, 'chat', options);   // one that listens
 *   await firefox.stop();                               // fails if a page has complained
 */
import puppeteer from 'puppeteer-core';
import {HTTP2} from './running.mjs';
import {sleep, until} from './until.mjs';

/* Firefox's own words for a WebSocket that does not open, or not before its page goes: no page's fault. */
const NOT_OPENED = /Firefox can.t establish a connection|was interrupted while the page was loading/;

/* Looks less often than until: each look is work for the browser that is looked at. */
export const eventually = (look, what) => until(async () => await look() || sleep(50), what, 120);

/* In the page: what its policy forbids is said at the console, as all else that goes wrong. */
function tellViolations() {
  addEventListener('securitypolicyviolation', event => console.error(`${event.effectiveDirective} forbids ${event.blockedURI}`));
}

/* In the page: a client on one channel. */
function listenIn(channel, options) {
  Object.assign(window, {got: [], gaps: 0, states: []});
  const halley = window.halley = new Halley('/comet', options);
  halley.on('gap', () => { window.gaps++; });
  halley.on('state', ({state}) => window.states.push(state));
  halley.subscribe(channel, message => window.got.push(message.data));
}

export class Firefox {
  static async start() {
    const firefox = new Firefox();
    firefox.errors = [];  // what pages throw, and say at the console as errors or warnings
    firefox.refusals = []; // answers of 400 and above
    firefox.browser = await puppeteer.launch({
      browser: 'firefox', protocol: 'webDriverBiDi', executablePath: '/usr/bin/firefox-esr', headless: true, acceptInsecureCerts: HTTP2,
      timeout: 120000, protocolTimeout: 120000
    });
    return firefox;
  }

  async stop() {
    await this.browser.close();
    if (this.errors.length) throw new Error(`pages complain: ${this.errors.join('\n')}`);
  }

  context() { return this.browser.createBrowserContext(); }

  async page(url, context) {
    const page = await (context || await this.context()).newPage();
    page.setDefaultTimeout(60000);
    const complain = text => { if (!NOT_OPENED.test(text)) this.errors.push(`${page.url()}: ${text}`); };
    page.on('pageerror', error => complain(error.stack || String(error)));
    page.on('console', said => { if (/error|warn/.test(said.type())) complain(said.text()); });
    page.on('response', answer => {
      const own = answer.url().endsWith('/favicon.ico'); // the browser's own wish, where a page names none
      if (answer.status() >= 400 && !own) this.refusals.push(`${answer.status()} ${answer.url()}`);
    });
    await page.evaluateOnNewDocument(tellViolations);
    await page.goto(url);
    return page;
  }

  /* A page with nothing but the client; the same, of a page that is there. */
  async bare(url, context) {
    return withClient(await this.page(`${url}style.css`, context));
  }
  async again(page, url) {
    await page.goto(`${url}style.css`);
    return withClient(page);
  }

  async listener(url, context, channel, options) {
    return listen(await this.bare(url, context), channel, options);
  }
}

async function withClient(page) {
  for (const script of ['/halley.js', '/halley-legacy.js']) await page.addScriptTag({url: script});
  return page;
}

/* Listens to a channel there: got() says what came, where() by what. */
export async function listen(page, channel, options = {}) {
  await page.evaluate(listenIn, channel, options);
  page.got = () => page.evaluate(() => window.got);
  page.gaps = () => page.evaluate(() => window.gaps);
  page.where = () => page.evaluate(() => `${window.halley.state} ${window.halley.transport}`);
  page.isOpen = transport => eventually(async () => await page.where() === `open ${transport}`, `open by ${transport}`);
  page.has = async n => {
    await eventually(async () => (await page.got()).length >= n, `${n} messages`)
      .catch(async error => { throw new Error(`${error.message}; there are ${await page.got()}, ${await page.where()}`); });
    return page.got();
  };
  return page;
}

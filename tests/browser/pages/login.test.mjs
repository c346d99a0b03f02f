/* A page whose session has run out, behind a web server that sends whoever is not logged in to the login
 * page of another site: a browser shows nothing of such an answer, and the page is told what it is all the same. */
import {after, before, test} from 'node:test';
import {bare} from '../lib/elsewhere.mjs';
import {Gate} from '../lib/gate.mjs';
import {beginsWithoutSession, sessionRunsOut} from '../lib/login.mjs';
import {Running} from '../lib/running.mjs';

let halley, gate, context;

before(async () => {
  halley = await Running.start('lighttpd');
  gate = await Gate.open(halley);
  context = await halley.browser();
});
after(async () => {
  if (halley) await halley.stop();
  if (gate) gate.close();
});

async function open() {
  const page = await bare(context, gate.url + 'style.css');
  await page.addScriptTag({url: '/halley.js'});
  return page;
}

test('a login page of another site is called what it is by every transport, and all is heard after the login', () => sessionRunsOut(gate, open));

test('a page that begins without a session is told, and hears once there is one', () => beginsWithoutSession(gate, open));

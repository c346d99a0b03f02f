/* A page whose session has run out, in Firefox: what pages/login.test.mjs has in Chromium. */
import {after, before, test} from 'node:test';
import {Firefox} from '../lib/firefox.mjs';
import {Gate} from '../lib/gate.mjs';
import {beginsWithoutSession, sessionRunsOut} from '../lib/login.mjs';
import {Running} from '../lib/running.mjs';

let firefox, halley, gate;

before(async () => {
  halley = await Running.start('lighttpd');
  gate = await Gate.open(halley);
  firefox = await Firefox.start();
});
after(async () => {
  if (firefox) {
    firefox.errors.length = 0; // the browser says at the console what it refuses, and that is the matter here
    await firefox.stop();
  }
  if (halley) await halley.stop();
  if (gate) gate.close();
});

const open = () => firefox.bare(gate.url);

test('a login page of another site is called what it is by every transport, and all is heard after the login', () => sessionRunsOut(gate, open));

test('a page that begins without a session is told, and hears once there is one', () => beginsWithoutSession(gate, open));

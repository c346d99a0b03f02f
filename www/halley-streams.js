/* The streams, and the sharing among tabs, are in halley.js. This file has nothing more: it is for
 * pages, and rules of web servers, that name it from when it had. */
'use strict';

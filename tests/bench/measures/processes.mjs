/* What a second process of halley.fcgi gains: deliveries a second, behind nginx. */
import {rate} from './rate.mjs';

export const processes = {
  ...rate,
  id: 'processes',
  title: 'Deliveries a second, one process and two',
  systems: ['halley-nginx', 'halley-nginx-2']
};

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

/*
 * Takes a master's place with a certificate that it should not have, and writes down what it is told.
 *
 * Arguments: the files with the chain and the key.
 */
const [chain = '', key = ''] = process.argv.slice(2);

createServer({
  cert: readFileSync(chain),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
  requestCert: true,
  rejectUnauthorized: false,
})
  .on('connection', () => process.stdout.write('connection\n'))
  .on('upgrade', () => process.stdout.write('session\n'))
  .listen(8_443, () => process.stdout.write('listening\n'));

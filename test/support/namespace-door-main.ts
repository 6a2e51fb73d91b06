import { connect, createServer } from 'node:net';

/*
 * Carries connections out of the network namespace that it runs in: whoever connects to the port on
 * its loopback is connected to the socket on the file system, which all namespaces share.
 *
 * Arguments: the port, the socket's path.
 */
const [port = '', socketPath = ''] = process.argv.slice(2);

createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ path: socketPath, allowHalfOpen: true });
  // The end of either is the end of both; why is for the two ends to say.
  near.on('error', () => far.destroy()).on('close', () => far.destroy());
  far.on('error', () => near.destroy()).on('close', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen(Number(port), '127.0.0.1', () => process.send?.('open'));
process.on('disconnect', () => process.exit());

import { connect, createServer } from 'node:net';

/*
 * Carries connections out of the network namespace that it runs in: whoever connects to the socket
 * on the file system, which all namespaces share, is connected to the target.
 *
 * Arguments: the socket's path, the target's address, the target's port.
 */
const [socketPath = '', host = '', port = ''] = process.argv.slice(2);

createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ host, port: Number(port), allowHalfOpen: true });
  // The end of either is the end of both; why is for the two ends to say.
  near.on('error', () => far.destroy()).on('close', () => far.destroy());
  far.on('error', () => near.destroy()).on('close', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen(socketPath, () => process.stdout.write('open\n'));

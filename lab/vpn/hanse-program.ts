import { fileURLToPath } from 'node:url';

/** The built program, as users run it; `npm run build` makes what it starts. */
export const hanseProgram = fileURLToPath(new URL('../../bin/hanse', import.meta.url));

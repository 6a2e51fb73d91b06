// Removes what killed labs have left, for those who build no lab themselves.
import { removeDeadLabs } from './remove-lab.ts';

await removeDeadLabs();

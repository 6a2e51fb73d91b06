import { Counter, Gauge, type Registry } from 'prom-client';

/** Changes of the acting master, and what a backup has others do. */
export class FailoverMetrics {
  readonly actingChanges: Counter<'subset' | 'change'>;
  readonly renewalsFailed: Counter<'subset'>;
  readonly passedOn: Counter<'kind' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.actingChanges = new Counter({
      name: 'hanse_acting_changes_total',
      help: 'Times that this master began to act for a subset, by how it came to',
      labelNames: ['subset', 'change'],
      registers,
    });
    this.renewalsFailed = new Counter({
      name: 'hanse_lease_renewals_failed_total',
      help: 'Attempts to renew the lease of a subset that failed',
      labelNames: ['subset'],
      registers,
    });
    this.passedOn = new Counter({
      name: 'hanse_passed_on_requests_total',
      help: 'Requests of members here that the acting master was asked, by kind and outcome',
      labelNames: ['kind', 'outcome'],
      registers,
    });
  }
}

const roles = ['acting', 'backup'] as const;
type Role = (typeof roles)[number];

/** How many subsets this master acts for, and how many it backs up. */
export function observeRoles(
  registry: Registry,
  subsets: () => readonly { readonly role: Role }[],
): void {
  const gauge: Gauge<'role'> = new Gauge({
    name: 'hanse_subsets',
    help: 'Subsets that this master serves, by its role',
    labelNames: ['role'],
    registers: [registry],
    collect: () => {
      const served = subsets();
      for (const role of roles) {
        gauge.set({ role }, served.filter((subset) => subset.role === role).length);
      }
    },
  });
}

import type { FleetEvent } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import { describeCounts } from '../drain/render.js';
import { formatProblem } from '../output/fields.js';
import { describeStep } from '../progress/step.js';

/** An event as one line for a person. */
export function renderEvent(event: FleetEvent): string {
  return `${event.at}  ${event.kind.padEnd(9)}  ${describeEvent(event)}`;
}

/** The same without when it was. */
export function describeEvent(event: FleetEvent): string {
  switch (event.kind) {
    case 'host': {
      const { name, state, desired, reason } = event.host;
      const wanted = state === desired ? '' : `, shall be ${desired}`;
      return `${name}: ${state}${wanted}${reason === null ? '' : ` (${reason})`}`;
    }
    case 'instance': {
      const { name, desired, vmm, problem } = event.instance;
      const where = vmm === null ? 'on no host' : `${vmm.state.life} on ${vmm.hostName}`;
      return `${name}: shall be ${desired}, ${where}${problem === null ? '' : `: ${formatProblem(problem)}`}`;
    }
    case 'vmm': {
      const { id, hostName, state, ended } = event.vmm;
      const how = ended === null ? state.life : `ended (${ended.reason})`;
      return `${id} on ${hostName}: ${how}, generation ${state.generation}`;
    }
    case 'migration': {
      const { migration } = event;
      const { instanceName, source, destination, state, phase, report, error } = migration;
      const doing = state === 'running' ? ` (${phase ?? describeStep(migration)})` : '';
      const downtime = report === null ? '' : `, downtime ${formatDuration(report.downtime.totalMs)}`;
      const why = error === null ? '' : `: ${formatProblem(error)}`;
      return `${instanceName}: ${source.name} → ${destination?.name ?? '?'} ${state}${doing}${downtime}${why}`;
    }
    case 'drain':
      return `${event.drain.hostName}: ${event.drain.state}, ${describeCounts(event.drain)}`;
    case 'gone':
      return `the ${event.what} ${event.name} is there no more`;
    case 'gap':
      return 'events are missing here; read the lists again';
  }
}

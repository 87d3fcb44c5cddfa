#!/usr/bin/env node
// A worker of the queue "mails", with pg.  README.md beside it explains the loop.
const { Client } = require('pg');
const { setTimeout: sleep } = require('timers/promises');

const queue = process.env.QUEUE || 'mails', lease = Number(process.env.LEASE || 30); // seconds
let client = null, stopping = false, stop;
const stopped = new Promise((resolve) => { stop = resolve; });

// The work.  It may happen twice, so whatever it calls should be given message_id as a key.
async function deliver({ message_id, payload, attempt }) {
  if (!payload.to.includes('@')) throw new RangeError('no address: ' + payload.to); // no other attempt will heal it
  if (payload.to.startsWith('busy') && attempt === 1) throw new Error('the mailbox is busy');
  await sleep(1000 * (payload.seconds || 0));
  console.log('sent', message_id, payload.to, attempt);
  return { delivered: payload.to };
}

// The first row of a statement.  Repeated when the connection is lost, as a receipt works once.
async function call(sql, args) {
  for (;;) {
    const mine = client ??= connect();
    try {
      return (await (await mine).query(sql, args)).rows[0];
    } catch (error) {
      if (error.code === 'WF008') return null; // stale: the lease was over, or a call before this one got through
      if (error.severity === 'ERROR' && !error.code.startsWith('08')) throw error;
      console.error(error.message);
      if (client === mine) client = null;
      await sleep(1000);
    }
  }
}

async function connect() {
  const made = new Client();
  made.on('error', () => {}); // the next query will tell
  await made.connect();
  return made;
}

async function handle(message) {
  const extend = () => call('SELECT workflow.extend($1, $2)', [message.receipt, lease + ' s']);
  const keeper = setInterval(() => extend().catch(() => clearInterval(keeper)), 1000 * lease / 3);
  const outcome = await deliver(message).then(
    (result) => ['SELECT workflow.ack($1, $2)', [message.receipt, JSON.stringify(result)]],
    (error) => ['SELECT workflow.nack($1, $2, final => $3)',
      [message.receipt, error.message, error instanceof RangeError]]);
  clearInterval(keeper);
  await call(...outcome);
}

process.on('SIGTERM', () => { stopping = true; stop(); });
(async () => {
  while (!stopping) {
    const message = await call('SELECT * FROM workflow.receive($1, 1, $2)', [queue, lease + ' s']);
    if (message) await handle(message);
    else await Promise.race([stopped, call("CALL workflow.wait_for_messages($1, '30 s')", [queue])]);
  }
})().then(() => process.exit(0)); // not waiting for the wait, which the server ends by itself

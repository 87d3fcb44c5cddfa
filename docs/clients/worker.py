#!/usr/bin/python3
"""A worker of the queue "mails", with psycopg 3.  README.md beside it explains the loop."""
import json, os, psycopg, signal, sys, threading, time
queue, lease = os.environ.get("QUEUE", "mails"), int(os.environ.get("LEASE", "30"))  # seconds
conn, lock, stopping, waiting = None, threading.Lock(), threading.Event(), False

def deliver(message_id, payload, attempt):
    """The work.  It may happen twice, so whatever it calls should be given message_id as a key."""
    if "@" not in payload["to"]:
        raise ValueError("no address: " + payload["to"])  # no other attempt will heal it
    if payload["to"].startswith("busy") and attempt == 1:
        raise RuntimeError("the mailbox is busy")
    time.sleep(payload.get("seconds", 0))
    print("sent", message_id, payload["to"], attempt, flush=True)
    return {"delivered": payload["to"]}

def call(sql, *args):
    """The first row of a statement.  Repeated when the connection is lost, as a receipt works once."""
    global conn, waiting
    while True:
        try:
            with lock:
                conn = conn or psycopg.connect("", autocommit=True, prepare_threshold=None)
                waiting = sql.startswith("CALL")
                return conn.execute(sql, args).fetchone()
        except psycopg.Error as error:  # WF008, a stale receipt: the lease was over, or a call before this got through
            if stopping.is_set() and waiting or error.sqlstate == "WF008":
                return None
            if error.sqlstate and not error.sqlstate.startswith(("08", "57")):
                raise
            print(error, file=sys.stderr)
            conn = None
            time.sleep(1)

def keep(receipt, done):
    while not done.wait(lease / 3) and call("SELECT workflow.extend(%s, %s)", receipt, f"{lease} s"):
        pass

def handle(message_id, receipt, payload, attempt):
    done = threading.Event()
    threading.Thread(target=keep, args=(receipt, done), daemon=True).start()
    try:
        outcome = "ack(%s, %s)", receipt, json.dumps(deliver(message_id, payload, attempt))
    except Exception as error:
        outcome = "nack(%s, %s, final => %s)", receipt, str(error), isinstance(error, ValueError)
    done.set()
    call("SELECT workflow." + outcome[0], *outcome[1:])

def stop(*_):
    stopping.set()
    if waiting and conn:
        conn.cancel()

signal.signal(signal.SIGTERM, stop)
while not stopping.is_set():
    message = call("SELECT message_id, receipt, payload, attempt FROM workflow.receive(%s, 1, %s)", queue, f"{lease} s")
    if message:
        handle(*message)
    else:
        call("CALL workflow.wait_for_messages(%s, '30 s')", queue)

#!/usr/bin/env bash
# A worker of the queue "mails", with psql.  README.md beside it explains the loop.
queue=${QUEUE:-mails}
lease=${LEASE:-30} # seconds
stopping= waiting=
psql=(psql -XAtqz0 -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate -v "queue=$queue" -v "lease=$lease s")

# The work.  It may happen twice, so whatever it calls should be given message_id as a key.
# Fails with 2 when no other attempt will heal it, else with 1; `error` says why.
deliver() {
	[[ $to == *@* ]] || { error="no address: $to"; return 2; }
	[[ $to != busy* || $attempt != 1 ]] || { error='the mailbox is busy'; return 1; }
	sleep "$seconds"
	echo "sent $message_id $to $attempt"
}

# call SQL [psql's options]: repeated when the connection is lost, as a receipt works once.
# Fails only with an error of the statement, such as WF008, a stale receipt.
call() {
	local sql=$1
	shift
	until "${psql[@]}" "$@" <<<"$sql"; do
		[ $? != 3 ] || return 1
		sleep 1
	done
}

keep() {
	while sleep $((lease / 3)).$((lease % 3 * 3)); do
		call "SELECT workflow.extend(:'receipt', :'lease')" -v "receipt=$receipt" >/dev/null || return
	done
}

handle() {
	local message_id=$1 receipt=$2 attempt=$3 to=$4 seconds=$5 error=
	keep &
	local keeper=$!
	deliver
	case $? in
	0) set -- "ack(:'receipt', jsonb_build_object('delivered', :'to'::text))" ;;
	2) set -- "nack(:'receipt', :'error', final => true)" ;;
	*) set -- "nack(:'receipt', :'error')" ;;
	esac
	kill "$keeper"
	call "SELECT workflow.$1" -v "receipt=$receipt" -v "to=$to" -v "error=$error" >/dev/null
}

trap 'stopping=1; [ -z "$waiting" ] || kill -INT "$waiting"' TERM
while [ -z "$stopping" ]; do
	mapfile -d '' -t message < <("${psql[@]}" <<<"SELECT message_id, receipt, attempt, payload->>'to',
		coalesce(payload->>'seconds', '0') FROM workflow.receive(:'queue', 1, :'lease')")
	if [ ${#message[@]} -gt 0 ]; then
		handle "${message[@]}"
		continue
	fi
	"${psql[@]}" <<<"CALL workflow.wait_for_messages(:'queue', '30 s')" >/dev/null &
	waiting=$!
	wait "$waiting" || sleep 1 # no connection
	waiting=
done

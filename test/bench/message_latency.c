/*
 * message_latency.c
 *		Sends messages at a fixed rate to a receiver that waits for them, and
 *		tells how long each was on its way.
 *
 * Usage: message_latency RATE COUNT QUEUE.  Prints for each message the
 * milliseconds from when the answer to send() was back, that is after its
 * commit, and from when it was issued, until workflow.receive() has returned it
 * to another connection, which had called workflow.wait_for_messages().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static PGresult *
run(PGconn *conn, const char *sql, int nargs, const char *const *args)
{
	PGresult *res = PQexecParams(conn, sql, nargs, NULL, args, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK &&
		PQresultStatus(res) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	return res;
}

static PGconn *
connect_to_server(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

/* Writes when each has come to the pipe. */
static void
receive(int out, int count, const char *queue)
{
	PGconn *conn = connect_to_server();

	for (int i = 0; i < count;)
	{
		PGresult *res;
		double at;

		PQclear(run(conn, "CALL workflow.wait_for_messages($1)", 1, &queue));
		res = run(conn, "SELECT receipt FROM workflow.receive($1)", 1, &queue);
		at = now();
		if (PQntuples(res) == 1)
		{
			const char *receipt = PQgetvalue(res, 0, 0);

			if (write(out, &at, sizeof(at)) != sizeof(at))
				exit(1);
			PQclear(run(conn, "SELECT workflow.ack($1)", 1, &receipt));
			i++;
		}
		PQclear(res);
	}
	PQfinish(conn);
	exit(0);
}

int
main(int argc, char **argv)
{
	double rate = argc > 3 ? atof(argv[1]) : 1;
	int count = argc > 3 ? atoi(argv[2]) : 0;
	const char *queue = argc > 3 ? argv[3] : "";
	PGconn *conn;
	int ends[2];

	if (pipe(ends) != 0)
		return 1;
	if (fork() == 0)
		receive(ends[1], count, queue);
	/* else the end of the receiver could not be seen */
	close(ends[1]);
	conn = connect_to_server();
	for (int i = 0; i < count; i++)
	{
		struct timespec pause = {0, (long) (1e9 / rate)};
		double issued;
		double answered;
		double came;

		nanosleep(&pause, NULL);
		issued = now();
		PQclear(run(conn, "SELECT workflow.send($1, '1')", 1, &queue));
		answered = now();
		if (read(ends[0], &came, sizeof(came)) != sizeof(came))
			return 1;
		printf("%.3f %.3f\n", 1000 * (came - answered),
			   1000 * (came - issued));
	}
	PQfinish(conn);
	wait(NULL);
	return 0;
}

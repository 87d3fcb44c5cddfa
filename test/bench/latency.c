/*
 * latency.c
 *		Makes something happen to runs at a fixed rate, and tells when.
 *
 * Usage: latency RATE COUNT STATEMENT INSERT.  The statement enqueues a run, or
 * sends a signal, and gives the run's id.  Prints for each its id, when
 * the statement was issued and when its answer was back, that is after its
 * commit, both in seconds since the epoch; and how many seconds INSERT took, a
 * plain statement that is run half way to the next one.  All is prepared, in
 * one connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

static struct timespec tick;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
wait_for_tick(double seconds)
{
	long nsec = tick.tv_nsec + (long) (seconds * 1e9);

	tick.tv_sec += nsec / 1000000000;
	tick.tv_nsec = nsec % 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &tick, NULL);
}

static PGresult *
check(PGconn *conn, PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK &&
		PQresultStatus(res) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	return res;
}

int
main(int argc, char **argv)
{
	double rate = argc > 4 ? atof(argv[1]) : 1;
	int count = argc > 4 ? atoi(argv[2]) : 0;
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		return 1;
	}
	if (argc > 4)
	{
		PQclear(check(conn, PQprepare(conn, "statement", argv[3], 0, NULL)));
		PQclear(check(conn, PQprepare(conn, "insert", argv[4], 0, NULL)));
	}
	clock_gettime(CLOCK_MONOTONIC, &tick);

	for (int i = 0; i < count; i++)
	{
		double issued;
		double answered;
		double began;
		PGresult *res;

		wait_for_tick(0.5 / rate);
		issued = now();
		res = PQexecPrepared(conn, "statement", 0, NULL, NULL, NULL, 0);
		answered = now();
		check(conn, res);

		wait_for_tick(0.5 / rate);
		began = now();
		PQclear(check(conn,
					  PQexecPrepared(conn, "insert", 0, NULL, NULL, NULL, 0)));
		printf("%s %.6f %.6f %.6f\n", PQgetvalue(res, 0, 0), issued, answered,
			   now() - began);
		PQclear(res);
	}
	PQfinish(conn);
	return 0;
}

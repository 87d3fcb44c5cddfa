-- next_times(): patterns and intervals in zones, before there is a schedule.
SET timezone = 'UTC';
SET client_min_messages = warning;

-- where clocks change
SELECT on_gap, workflow.next_times('30 2 * * *', timezone => 'America/New_York',
	from_time => '2026-03-08 00:00-05', n => 2, on_gap => on_gap)
  FROM unnest('{next,shift,skip}'::text[]) AS on_gap;
SELECT on_fold, workflow.next_times('30 1 * * *', timezone => 'america/new_york',
	from_time => '2026-11-01 00:00-04', n => 2, on_fold => on_fold)
  FROM unnest('{first,second,both}'::text[]) AS on_fold;
-- a pattern in real time goes on, also where the change is half an hour
SELECT workflow.next_times('0 * * * *', timezone => 'Australia/Lord_Howe',
	from_time => '2026-04-04 13:30Z', n => 3);
-- a day that there was not
SELECT workflow.next_times('0 12 * * *', timezone => 'Pacific/Apia',
	from_time => '2011-12-30 00:00Z', n => 2);

-- seconds, words, rules for days
SELECT workflow.next_times('*/20 * * * * *', from_time => '2026-01-01 00:00:10Z', n => 3);
SELECT workflow.next_times('@monthly', from_time => '2026-01-01', n => 1);
SELECT workflow.next_times('0 9 LW,15W * *', from_time => '2026-08-01', n => 3);
SELECT workflow.next_times('0 9 * * MON#2,FRIL', from_time => '2026-11-01', n => 3);
SELECT workflow.next_times('0 0 29 2 *', from_time => '2026-01-01', n => 2);

-- intervals: added at once, so that the end of a month stays one
SELECT workflow.next_times(every => '1 month', starts_at => '2028-01-31 10:00', from_time => '2028-01-01', n => 4);
SELECT workflow.next_times(every => '1 day', timezone => 'Europe/Berlin', from_time => '2026-03-28 00:00Z', n => 3);
SELECT workflow.next_times(every => '90 min', timezone => 'Europe/Berlin', from_time => '2026-03-29 00:00Z', n => 3);
SELECT workflow.next_times(every => '1.5 s', starts_at => '2026-01-01', from_time => '2026-01-01', n => 2);

-- what is excluded, and bounds
SELECT workflow.next_times('0 9 * * *', from_time => '2026-12-23', n => 3,
	exclude => '{* * * * SAT-SUN}', exclude_dates => '{2026-12-25,2026-12-28}');
SELECT workflow.next_times('0 9 * * *', from_time => '2026-01-01', n => 9,
	starts_at => '2026-01-03 09:00', ends_at => '2026-01-04 09:00');
SELECT count(*) FROM workflow.next_times('0 9 * * *', exclude => '{* 9 * * *}');
SELECT count(*) FROM workflow.next_times('* * * * *', n => 10000);
SELECT count(*) FROM workflow.next_times('* * * * *', n => 0);

-- what is wrong
\set VERBOSITY default
SELECT workflow.next_times();
SELECT workflow.next_times('* * * * *', '1 hour');
SELECT workflow.next_times('');
SELECT workflow.next_times('* * * *');
SELECT workflow.next_times('*/5 24 * * *');
SELECT workflow.next_times('0 9 * * FRI-MON');
SELECT workflow.next_times('0 9 * * MÖN');
SELECT workflow.next_times('@reboot');
SELECT workflow.next_times('0 0 30 2 *');
SELECT workflow.next_times('0 9 * * *', timezone => 'EST5EDT4');
SELECT workflow.next_times('0 9 * * *', timezone => 'CEST');
SELECT workflow.next_times('0 9 * * *', on_gap => 'later');
SELECT workflow.next_times('0 9 * * *', on_fold => 'none');
SELECT workflow.next_times('0 9 * * *', n => 10001);
SELECT workflow.next_times('0 9 * * *', n => -1);
SELECT workflow.next_times('0 9 * * *', from_time => 'infinity');
SELECT workflow.next_times('0 9 * * *', starts_at => '2027-01-01', ends_at => '2026-01-01');
SELECT workflow.next_times('0 9 * * *', exclude => ARRAY['0 9 * * *', NULL]);
SELECT workflow.next_times('0 9 * * *', exclude => '{nightly}');
SELECT workflow.next_times(every => '0.5 s');
SELECT workflow.next_times(every => '2 years');
SELECT workflow.next_times(every => '1 month -1 day');

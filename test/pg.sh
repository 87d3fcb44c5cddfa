# Sourced: which PostgreSQL is meant.
#
# PG_CONFIG names it.  Without it that is the newest one which is installed in
# the layout of Debian and Ubuntu, /usr/lib/postgresql/N; one that has its
# server development files goes before one that lacks them.  Where none is
# installed, it is the release's own default: what "postgresql" depends on.

pg_oldest=15

# Prints the path of an installed pg_config, or nothing.  WF_PG_ROOT is for
# the test of this.
installed_pg_config() {
	local root=${WF_PG_ROOT:-} bin version found= bare=
	for bin in "$root"/usr/lib/postgresql/*/bin; do
		version=$(basename "$(dirname "$bin")")
		[[ $version =~ ^[0-9]+$ ]] && [ "$version" -ge $pg_oldest ] &&
			[ -x "$bin/postgres" ] && [ -x "$bin/pg_config" ] || continue
		if [ -e "$root/usr/include/postgresql/$version/server/postgres.h" ]; then
			[ "$version" -lt "${found:-0}" ] || found=$version
		else
			[ "$version" -lt "${bare:-0}" ] || bare=$version
		fi
	done
	[ -z "${found:=$bare}" ] ||
		echo "$root/usr/lib/postgresql/$found/bin/pg_config"
}

# Prints the major version that the system's release has, or nothing.
default_pg_version() {
	apt-cache depends postgresql 2>/dev/null |
		sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

# Sets and exports PG_CONFIG, or tells what is missing and fails.
choose_pg_config() {
	local version
	if [ -z "${PG_CONFIG:-}" ]; then
		PG_CONFIG=$(installed_pg_config)
		if [ -z "$PG_CONFIG" ]; then
			echo "no PostgreSQL from $pg_oldest on in /usr/lib/postgresql:" \
				"install one, or set PG_CONFIG=/path/to/pg_config" >&2
			return 1
		fi
	fi
	if ! version=$("$PG_CONFIG" --version 2>/dev/null); then
		echo "cannot run \"$PG_CONFIG\":" \
			"set PG_CONFIG=/path/to/pg_config" >&2
		return 1
	fi
	if [[ ! $version =~ ^PostgreSQL\ ([0-9]+) ]] ||
		[ "${BASH_REMATCH[1]}" -lt $pg_oldest ]; then
		echo "$version of \"$PG_CONFIG\" is too old: set PG_CONFIG to the" \
			"pg_config of PostgreSQL $pg_oldest or later" >&2
		return 1
	fi
	if [ ! -e "$("$PG_CONFIG" --includedir-server)/postgres.h" ]; then
		echo "$version of \"$PG_CONFIG\" lacks its server development" \
			"files: install postgresql-server-dev-${BASH_REMATCH[1]}," \
			"or set PG_CONFIG to another pg_config" >&2
		return 1
	fi
	export PG_CONFIG
}

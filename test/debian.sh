# Sourced: Debian's suites, for tests with other versions of PostgreSQL.
#
# Everything is fetched by apt with a configuration of its own, so that the
# system's sources, lists and packages stay as they are.  The mirror is the
# system's, and what its apt was told of proxies and of expired lists holds.

# version suite
debian_suites="15 bookworm
17 trixie
18 forky"

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

debian_suite() {
	sed -n "s/^$1 //p" <<<"$debian_suites"
}

# Prints nothing where the system's apt knows no mirror of Debian.
debian_mirror() {
	local mirror
	mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' \
		'Label: Debian' 2>/dev/null | head -n 1)
	echo "$mirror"
}

# debian_options FOLDER SUITE: makes the folder, prints apt's arguments.
debian_options() {
	local dir=$1
	mkdir -p "$dir"/{etc/preferences.d,lists/partial,cache/archives/partial}
	echo "deb [signed-by=$debian_keyring] $(debian_mirror) $2 main" \
		>"$dir/etc/sources.list"
	: >"$dir/status"
	echo -o Dir::Etc="$dir/etc" -o Dir::State="$dir" \
		-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o Dir::State::status="$dir/status" -o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
}

# debian_reached FOLDER SUITE: is the suite to be had within 20 s?
debian_reached() {
	[ -n "$(debian_mirror)" ] || return 1
	timeout 20 /usr/lib/apt/apt-helper -o Acquire::Retries=0 download-file \
		"$(debian_mirror)/dists/$2/InRelease" "$1/InRelease" >/dev/null 2>&1
}

# A file system of a few megabytes, to be filled and freed.
#
# Nobody but root may mount, but who makes a user namespace of his own may, in
# there: so a test that needs one runs itself anew in such a namespace, which
# ends, with all that is mounted in it, when the test does.
package SmallDisk;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(enter_namespace mount_disk fill_disk free_disk);

# enter_namespace(): to be called first; skips the test where there can be none.
sub enter_namespace
{
	my @unshare = qw(unshare --user --mount --map-current-user --keep-caps);

	return if $ENV{WF_IN_NAMESPACE};
	plan skip_all => 'no file system can be mounted here'
	  if system("@unshare mount -t tmpfs tmpfs /tmp >/dev/null 2>&1") != 0;
	$ENV{WF_IN_NAMESPACE} = 1;
	exec @unshare, $^X, (map { "-I$_" } @INC), $0, @ARGV;
}

# mount_disk(folder, megabytes): an empty one, which belongs to the server.
sub mount_disk
{
	my ($folder, $megabytes) = @_;

	mkdir $folder or die "could not make $folder: $!";
	system('mount', '-t', 'tmpfs', '-o', "size=${megabytes}m,mode=700",
		'tmpfs', $folder) == 0
	  or die "could not mount $folder";
	return;
}

sub available
{
	my ($folder) = @_;
	my @lines = `df --output=avail -k '$folder'`;

	return $lines[1] + 0;
}

# fill_disk(folder, kilobytes): leaves only so much.
sub fill_disk
{
	my ($folder, $left) = @_;
	my $size = available($folder) - $left;

	system('fallocate', '-l', "${size}KiB", "$folder/filling") == 0
	  or die "could not fill $folder"
	  if $size > 0;
	return;
}

sub free_disk
{
	my ($folder) = @_;

	unlink "$folder/filling" or die "could not free $folder: $!";
	return;
}

1;

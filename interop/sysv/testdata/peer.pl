# A peer that knows System V IPC from Perl's own modules.
use strict;
use warnings;
use IPC::SysV qw(ftok IPC_CREAT IPC_STAT S_IRUSR S_IWUSR SEM_UNDO);
use IPC::Msg;
use IPC::Semaphore;
use IPC::SharedMem;

$| = 1;
my ($verb, $key, @args) = @ARGV;
if ($verb eq 'ftok') {
	unshift @args, $key;
	while (my ($path, $id) = splice @args, 0, 2) {
		print ftok($path, $id + 0), "\n";
	}
	exit;
}
my $mode = IPC_CREAT | S_IRUSR | S_IWUSR;
if ($verb eq 'msgsnd') {
	my $q = IPC::Msg->new($key, $mode) or die "msgget: $!";
	$q->snd($args[0], $args[1]) or die "msgsnd: $!";
	my $s = $q->stat;
	printf "%d messages, limit %d, last sender is me: %d\n", $s->qnum, $s->qbytes, $s->lspid == $$;
} elsif ($verb eq 'msgrcv') {
	my $q = IPC::Msg->new($key, $mode) or die "msgget: $!";
	print "ready\n";
	my $type = $q->rcv(my $buf, 8192, $args[0]) // die "msgrcv: $!";
	print "$type $buf\n";
} elsif ($verb eq 'sem') {
	my $s = IPC::Semaphore->new($key, $args[0], $mode) or die "semget: $!";
	print join(' ', $s->getall), "\n";
	print "ready\n";
	$s->op(0, -1, SEM_UNDO) or die "semop: $!";
	print "done\n";
	<STDIN>;
} elsif ($verb eq 'shm') {
	my $s = IPC::SharedMem->new($key, $args[0], $mode) or die "shmget: $!";
	$s->attach or die "shmat: $!";
	my $seen = $s->read(0, 64);
	$seen =~ s/\0.*//s;
	print "$seen\n";
	$s->write("$args[1]\0", 0, length($args[1]) + 1) or die "write: $!";
	print 'written', "\n";
	<STDIN>;
}

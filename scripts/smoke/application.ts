/*
 * The four services of the throw-away project. No image is built: PostgreSQL's own has psql and perl, and the program comes
 * in a variable.
 */

export const applicationImage = "postgres:17";
export const applicationPort = 8080;
export const healthPath = "/health";

/** Railway runs an image's start command without a shell of its own; nothing in this one needs quoting. */
export const applicationStartCommand = '/bin/sh -c "printenv SMOKE_PROGRAM | perl"';

/** The table that the services write to; each acknowledged write is one row, whatever happens. */
export const writesTable = "practice_management.smoke_writes";

/**
 * Reads and writes through DATABASE_URL twice a second and answers on PORT with what was acknowledged. A write that failed,
 * or of which nobody knows, is tried again under the same number. Healthy as long as it can read: writes may pause.
 */
export const applicationProgram = String.raw`use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use IPC::Open2;

my ($user, $password, $host, $port, $database) =
  ($ENV{DATABASE_URL} // '') =~ m{^postgres(?:ql)?://([^:@/]*):([^@/]*)@([^:/]+):(\d+)/([^?]+)} or die "DATABASE_URL is no URL\n";
s/%([0-9A-Fa-f]{2})/chr(hex($1))/ge for $user, $password, $database;
@ENV{qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE)} = ($user, $password, $host, $port, $database);
@ENV{qw(PGCONNECT_TIMEOUT PGOPTIONS)} = (5, '-c statement_timeout=3000');
my $service = $ENV{RAILWAY_SERVICE_NAME} // 'unknown';
$ENV{PGAPPNAME} = $service;

$SIG{PIPE} = 'IGNORE';
my $run = sprintf '%08x%08x', rand(2**32), rand(2**32);
pipe(my $news, my $tell) or die "no pipe\n";
my $writer = fork() // die "no fork\n";
if ($writer == 0) {
  close $news;
  $tell->autoflush(1);
  my $parent = getppid();
  for (my $number = 1; getppid() == $parent;) {
    print {$tell} succeeds('SELECT count(*) FROM medical_records.visits') ? "reads\n" : "fails\n";
    if (succeeds("INSERT INTO ${writesTable} (run, number, service) VALUES ('$run', $number, '$service') ON CONFLICT DO NOTHING")) {
      print {$tell} "acknowledged $number\n";
      $number++;
    }
    select(undef, undef, undef, 0.5);
  }
  exit;
}
close $tell;
$SIG{TERM} = sub { kill 'KILL', $writer; exit };

my %listen = (LocalPort => $ENV{PORT}, Listen => 16, ReuseAddr => 1);
my $server = IO::Socket::IP->new(LocalHost => '::', V6Only => 0, %listen)
  // IO::Socket::IP->new(LocalHost => '0.0.0.0', %listen) // die "cannot listen\n";
my ($reads, $acknowledged, $rest) = (0, 0, '');
my $select = IO::Select->new($server, $news);
for (;;) {
  for my $ready ($select->can_read) {
    if ($ready == $news) {
      sysread($news, $rest, 4096, length $rest) or die "the writer ended\n";
      while ($rest =~ s/^(\w+)(?: (\d+))?\n//) {
        if ($1 eq 'acknowledged') { $acknowledged = $2 } else { $reads = $1 eq 'reads' }
      }
    } else {
      my $client = $server->accept or next;
      IO::Select->new($client)->can_read(2) or next;
      sysread($client, my $request, 4096);
      my $status = $reads ? '200 OK' : '503 Service Unavailable';
      my $body = qq({"service":"$service","run":"$run","acknowledged":$acknowledged});
      print {$client} "HTTP/1.1 $status\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
      close $client;
    }
  }
}

# One session for as long as it lasts, as a pool has them. psql ends when its connection is lost.
my ($answers, $statements, $session);
sub succeeds {
  $session //= open2($answers, $statements, 'psql', '-X', '-q', '-At', '-o', '/dev/null');
  print {$statements} "$_[0];\n\\echo :ERROR\n";
  while (my $line = <$answers>) {
    return $1 eq 'false' if $line =~ /^(true|false)$/;
  }
  close $_ for $answers, $statements;
  waitpid $session, 0;
  undef $session;
  return 0;
}
`;

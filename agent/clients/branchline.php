<?php
/*
 * Reports to the Branchline agent of this machine, from PHP (7.4 and newer); one file, nothing to install.
 *
 *   require 'branchline.php';
 *
 *   $agent = new Branchline\Client();
 *   $agent->stepBegin('4711', 'review', ['owner' => 'Li Hua', 'amount' => 129.5], ['process' => 'order']);
 *   $agent->case('4711', [], ['status' => 'completed', 'process' => 'order']);
 *   $agent->event('door.opened', ['door' => 'north 2']);
 *   $agent->metric('queue_length', 12, ['lane' => '3'], ['unit' => 'orders']);
 *
 * Every call says one report and returns when the agent has it on disk: "accepted", or "repeated" when its id was taken
 * before. Else it throws Refused (the report is wrong, and always will be) or Failed (not stored, or no answer). Every
 * report has an id, made here unless you give one: a report whose answer was lost is said again and is there once.
 * Whoever gets Failed may say the same later with ['id' => $failure->id].
 *
 * Attributes are texts (UTF-8), numbers and booleans; of a metric they are its labels, and texts. `at` is a
 * DateTimeInterface, seconds since 1970, or text as the agent reads it.
 */
declare(strict_types=1);

namespace Branchline;

/* A report that was not taken; $id is its id. */
class Error extends \RuntimeException
{
	public string $id;

	public function __construct(string $message, string $id)
	{
		parent::__construct($message);
		$this->id = $id;
	}
}

/* The report is wrong. */
final class Refused extends Error
{
}

/* The agent has not stored it, or did not answer: it may be said again with the same id. */
final class Failed extends Error
{
}

/* An attempt that came to nothing; $unknown: the agent may have all of it. */
final class Attempt extends \RuntimeException
{
	public bool $unknown;

	public function __construct(string $message, bool $unknown)
	{
		parent::__construct($message);
		$this->unknown = $unknown;
	}
}

final class Client
{
	private const PLACES = ['/run/branchline-agent/steps.sock', '/var/lib/branchline-agent/steps.sock'];
	private const OF_CASES = ['id', 'at', 'process', 'case', 'step'];
	private const OWN = ['step' => self::OF_CASES, 'case' => self::OF_CASES, 'event' => ['id', 'at'],
		'metric' => ['id', 'at', 'unit', 'kind']];
	private const MORE = ['step' => ['process', 'at'], 'case' => ['status', 'process', 'at'], 'event' => ['at'],
		'metric' => ['unit', 'kind', 'at']];
	private const ESCAPES = ['"' => '\\"', '\\' => '\\\\', "\n" => '\\n', "\r" => '\\r', "\t" => '\\t'];
	private const PATH_MAX = 107;
	private const PAUSE_US = 20000;

	private string $path;
	private float $timeout;
	private float $wait;
	/** @var resource|null */
	private $connection = null;

	/*
	 * $timeout: seconds for one report, all attempts together (the agent answers within 8).
	 * $wait: how much of it to wait for an agent that is not there; 0: not at all.
	 */
	public function __construct(?string $socket = null, float $timeout = 12.0, float $wait = 0.0)
	{
		$path = $socket ?? (getenv('BRANCHLINE_SOCKET') ?: '');
		$this->path = $path !== '' ? $path : self::PLACES[file_exists(self::PLACES[0]) ? 0 : 1];
		$this->timeout = $timeout;
		$this->wait = $wait;
	}

	/* $more: process, id, at */
	public function stepBegin(string $case, string $step, array $attributes = [], array $more = []): string
	{
		return $this->report('step begin', [$case, $step], $attributes, $more);
	}

	public function stepEnd(string $case, string $step, array $attributes = [], array $more = []): string
	{
		return $this->report('step end', [$case, $step], $attributes, $more);
	}

	/* Something happened in a case, in its step $step if it is not null. */
	public function stepEvent(string $case, ?string $step = null, array $attributes = [], array $more = []): string
	{
		return $this->report('step event', $step === null ? [$case] : [$case, $step], $attributes, $more);
	}

	/* What became of a case. $more: status, process, id, at */
	public function case(string $case, array $attributes = [], array $more = []): string
	{
		return $this->report('case', [$case], $attributes, $more);
	}

	/* Something of this type happened, of no case. $more: id, at */
	public function event(string $type, array $attributes = [], array $more = []): string
	{
		return $this->report('event', [$type], $attributes, $more);
	}

	/* $value: int or float. $more: unit, kind ("gauge" or "counter", which only grows), id, at */
	public function metric(string $name, $value, array $labels = [], array $more = []): string
	{
		return $this->report('metric', [$name], $labels, $more, $value);
	}

	public function close(): void
	{
		if ($this->connection !== null)
			fclose($this->connection);
		$this->connection = null;
	}

	private function report(string $verb, array $words, array $attributes, array $more, $value = null): string
	{
		$id = (string)($more['id'] ?? bin2hex(random_bytes(16)));
		unset($more['id']);
		try {
			$line = self::line($verb, $words, $attributes, $id, $more, $value);
		} catch (\InvalidArgumentException $wrong) {
			throw new Refused("$verb: {$wrong->getMessage()}", $id);
		}
		return $this->tell($verb, $line, $id);
	}

	/* ---- the agent ---- */

	private static function now(): float
	{
		return hrtime(true) / 1e9;
	}

	/* Says it until there is an answer: as long as the limits allow. */
	private function tell(string $verb, string $line, string $id): string
	{
		$start = self::now();
		$unknown = false;
		$answer = null;
		/* A connection from earlier may have died long ago: that says nothing of the agent. */
		for ($kept = $this->connection !== null;; $kept = false) {
			try {
				$answer = $this->attempt($line, $start + $this->timeout);
			} catch (Attempt $failure) {
				$unknown = $unknown || $failure->unknown;
			} finally {
				if (!isset($answer)) /* it would be taken for the next one's */
					$this->close();
			}
			if ($answer === 'ok' || $answer === 'ok repeated')
				return $answer === 'ok' ? 'accepted' : 'repeated';
			if ($answer !== null)
				throw new Refused("$verb: " . substr($answer, 7), $id);
			$spent = self::now() - $start;
			if ($spent >= $this->timeout || (!$kept && !$unknown && $spent >= $this->wait))
				throw new Failed("$verb: {$failure->getMessage()}; " . ($unknown
					? 'whether it has the report is not known: say it again with the same id'
					: 'nothing was stored'), $id);
			if (!$kept)
				usleep(self::PAUSE_US);
		}
	}

	private function attempt(string $line, float $deadline): string
	{
		if ($this->connection === null)
			$this->connect($deadline);
		$said = $this->say($line, $deadline);
		$answer = $this->hear($deadline, $said); /* it may have said why before it closed */
		if (strpos($answer, 'error: not stored') === 0 || strpos($answer, 'error: too many connections') === 0)
			throw new Attempt(substr($answer, 7), false);
		if (strpos($answer, 'error: not on disk') === 0 || preg_match('/^(ok|error: )/', $answer) !== 1)
			throw new Attempt($answer, true);
		return $answer;
	}

	private function connect(float $deadline): void
	{
		if (strlen($this->path) > self::PATH_MAX)
			throw new Attempt(sprintf('the name of the socket is longer than %d bytes: %s', self::PATH_MAX,
				$this->path), false);
		$connection = @stream_socket_client("unix://$this->path", $code, $why, max(0.001, $deadline - self::now()));
		if ($connection === false && ($code === 13 || $code === 1)) /* EACCES, EPERM */
			throw new Attempt("not allowed to report at $this->path: inlets.steps of the agent's configuration " .
				'says who is', false);
		if ($connection === false)
			throw new Attempt("no agent takes reports at $this->path ($why): is it running?", false);
		stream_set_blocking($connection, false);
		$this->connection = $connection;
	}

	/* Waits until the connection can be read (or written): false: not in time. */
	private function ready(bool $write, float $deadline): bool
	{
		while (($left = $deadline - self::now()) > 0) {
			$read = $write ? [] : [$this->connection];
			$out = $write ? [$this->connection] : [];
			$none = [];
			if (@stream_select($read, $out, $none, (int)$left, (int)(fmod($left, 1) * 1e6)) > 0)
				return true;
		}
		return false;
	}

	/* Whether all of it went to the agent. */
	private function say(string $line, float $deadline): bool
	{
		while ($line !== '' && $this->ready(true, $deadline)) {
			$n = @fwrite($this->connection, $line);
			if ($n === false || $n === 0)
				break;
			$line = (string)substr($line, $n);
		}
		return $line === '';
	}

	/* One line of answer. */
	private function hear(float $deadline, bool $said): string
	{
		for ($answer = ''; substr($answer, -1) !== "\n"; $answer .= $more) {
			if (!$this->ready(false, $deadline))
				throw new Attempt("no answer in time from the agent at $this->path", $said);
			$more = @fread($this->connection, 1024);
			if ($more === false || $more === '')
				throw new Attempt("the agent at $this->path went away", $said);
		}
		return substr($answer, 0, -1);
	}

	/* ---- the line ---- */

	private static function line(string $verb, array $words, array $attributes, string $id, array $more, $value): string
	{
		$kind = explode(' ', $verb)[0];
		$line = implode(' ', array_merge([$verb], array_map([self::class, 'quoted'], $words)));
		if ($kind === 'metric')
			$line .= ' ' . self::number($value);
		$line .= ' id=' . self::quoted($id);
		foreach ($more as $name => $what) {
			if (!in_array($name, self::MORE[$kind], true))
				throw new \InvalidArgumentException(
					'expected ' . implode(', ', self::MORE[$kind]) . " or id, got $name");
			if ($what !== null)
				$line .= " $name=" . self::quoted($name === 'at' ? self::time($what) : $what);
		}
		foreach ($attributes as $name => $what)
			$line .= ' ' . self::name((string)$name, self::OWN[$kind]) . '=' . self::written($what);
		return "$line\n";
	}

	private static function quoted($text): string
	{
		if (!is_string($text))
			throw new \InvalidArgumentException('expected text, got ' . gettype($text));
		return '"' . strtr($text, self::ESCAPES) . '"';
	}

	private static function number($value): string
	{
		if (!is_int($value) && !(is_float($value) && is_finite($value)))
			throw new \InvalidArgumentException('expected a finite number, got ' . var_export($value, true));
		/* Every digit that the number needs; no locale has a say in it. */
		return is_int($value) ? (string)$value : var_export($value, true);
	}

	private static function written($value): string
	{
		if (is_bool($value))
			return $value ? 'true' : 'false';
		return is_int($value) || is_float($value) ? self::number($value) : self::quoted($value);
	}

	/* A name that the agent understands, and that means nothing else to it. */
	private static function name(string $name, array $own): string
	{
		if (preg_match('/^[^\x00-\x20="\x7f]+$/D', $name) !== 1)
			throw new \InvalidArgumentException("a name is a text without space, = and quotes, not \"$name\"");
		if (in_array($name, $own, true))
			throw new \InvalidArgumentException("this name has a meaning of its own: $name");
		return $name;
	}

	private static function time($at)
	{
		if ($at instanceof \DateTimeInterface)
			return $at->format('Y-m-d\TH:i:s.vP');
		return is_int($at) || is_float($at) ? number_format((float)$at, 3, '.', '') : $at;
	}
}

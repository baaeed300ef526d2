<?php
/* Says what it reads; see driver.py. */
declare(strict_types=1);

require "$argv[1]/branchline.php";

$agent = new Branchline\Client(null, (int)$argv[2] / 1000, (int)$argv[3] / 1000);

function typed(string $type, string $text)
{
	if ($type === 'b')
		return $text === 'true';
	return $type === 't' ? $text : (preg_match('/[.eE]/', $text) ? (float)$text : (int)$text);
}

function say(Branchline\Client $agent, array $fields): string
{
	$verb = array_shift($fields);
	$said = $attributes = [];
	foreach ($fields as $field) {
		[$name, $value] = explode('=', $field, 2);
		if (substr($name, 1, 1) === ':')
			$attributes[substr($name, 2)] = typed($name[0], $value);
		else
			$said[$name] = $value;
	}
	if (isset($said['at']))
		$said['at'] = (float)$said['at'];
	$more = array_diff_key($said, array_flip(['case', 'step', 'type', 'name', 'value']));
	switch ($verb) {
	case 'step_begin':
		return $agent->stepBegin($said['case'], $said['step'], $attributes, $more);
	case 'step_end':
		return $agent->stepEnd($said['case'], $said['step'], $attributes, $more);
	case 'step_event':
		return $agent->stepEvent($said['case'], $said['step'] ?? null, $attributes, $more);
	case 'case':
		return $agent->case($said['case'], $attributes, $more);
	case 'event':
		return $agent->event($said['type'], $attributes, $more);
	default:
		return $agent->metric($said['name'], typed('n', $said['value']), $attributes, $more);
	}
}

while (($record = stream_get_line(STDIN, 65536, "\x1e")) !== false) {
	try {
		$answer = say($agent, explode("\x1f", $record));
	} catch (Branchline\Refused $failure) {
		$answer = "refused {$failure->getMessage()}";
	} catch (Branchline\Failed $failure) {
		$answer = "failed {$failure->getMessage()}";
	}
	echo "$answer\x1e";
}

<?php
/* An order, from its arrival to its delivery, as a shop's program reports it: php order.php 4711 */
declare(strict_types=1);

require __DIR__ . '/../branchline.php';

/* A shop goes on selling when its monitoring does not work: it says so, and no more. */
function report(callable $say, ...$said): void
{
	try {
		$say(...$said);
	} catch (Branchline\Error $failure) {
		fwrite(STDERR, "not reported: {$failure->getMessage()}\n");
	}
}

$order = $argv[1] ?? '4711';
$of = ['process' => 'order'];
$agent = new Branchline\Client();
report([$agent, 'stepBegin'], $order, 'review', ['customer' => '李华', 'amount' => 129.5, 'express' => true], $of);
/* ... what the shop does ... */
report([$agent, 'stepEnd'], $order, 'review', [], $of);
report([$agent, 'stepBegin'], $order, 'pick', [], $of);
report([$agent, 'stepEnd'], $order, 'pick', [], $of);
report([$agent, 'case'], $order, [], ['status' => 'delivered'] + $of);
report([$agent, 'event'], 'shutter.opened');
report([$agent, 'metric'], 'queue_length', 12, ['lane' => '3'], ['unit' => 'orders']);
$agent->close();

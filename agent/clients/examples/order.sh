#!/bin/sh
# An order, from its arrival to its delivery, as a shop's script reports it: sh order.sh 4711
. "$(dirname "$0")/../branchline.sh"

order=${1:-4711}
# A shop goes on selling when its monitoring does not work: what is said on standard error is all.
branchline_step_begin "$order" review --process order customer="李华" amount=129.5 express=true
# ... what the shop does ...
branchline_step_end "$order" review --process order
branchline_step_begin "$order" pick --process order
branchline_step_end "$order" pick --process order
branchline_case "$order" --process order --status delivered
branchline_event shutter.opened
branchline_metric queue_length 12 --unit orders lane=3

#!/usr/bin/env bash
# Does one thing to servers that up.sh started; for tests of what happens when they fail.
#   server.sh pid SERVER...    print the process ids
#   server.sh kill SERVER...   SIGKILL, and wait for the end
#   server.sh term SERVER...   SIGTERM, and wait for the end
#   server.sh stop SERVER...   SIGSTOP: it neither answers nor ends
#   server.sh cont SERVER...   SIGCONT
#   server.sh start SERVER...  start again on the same data, and wait until it answers
# SERVER is a name as for up.sh; kafka means every broker, kafka2 the second.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
verb=${1:-}; shift || true
(($#)) || die "of what server? See the head of this script"

names=()
for name; do
  check_server "$(server_of "$name")"
  if [[ $name == kafka ]]; then mapfile -t -O "${#names[@]}" names < <(processes kafka); else names+=("$name"); fi
done
for name in "${names[@]}"; do
  started "$name" || die "$name was not started: scripts/stack/up.sh"
  [[ $verb == start ]] || alive "$name" || die "$name does not run"
done

send() { # SIGNAL
  local name
  for name in "${names[@]}"; do kill "-$1" "$(pid_of "$name")"; done
}

gone() { local name; for name in "${names[@]}"; do ! alive "$name" || return 1; done; }

case $verb in
  pid) for name in "${names[@]}"; do pid_of "$name"; done ;;
  kill) send KILL; wait_for 10 "the end of ${names[*]}" gone ;;
  term) send TERM; wait_for 60 "the end of ${names[*]}" gone ;;
  stop) send STOP ;;
  cont) send CONT ;;
  start)
    for name in "${names[@]}"; do alive "$name" || call start "$name"; done
    for name in "${names[@]}"; do await "$name" 180; done
    ;;
  *) die "unknown verb '$verb': write pid, kill, term, stop, cont or start" ;;
esac

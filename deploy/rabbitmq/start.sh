#!/bin/sh
# Starts the broker with users, rights, policies and the queues of dead letters in place, at every start the same.
#
# Writes the definitions with the passwords from the environment into memory and hands over to the image's own start.
# Passwords stand in JSON and in URLs: letters, digits, dot, dash and underscore only (`openssl rand -hex 24` is fine).
set -eu

# The exchange and the inbox queues are declared by the services. A service may touch the exchange and its own queues,
# with the exchanges that deal events out to its partitions (<service>.inbox and <service>.inbox.…), and publish only
# what it may say; reading from the exchange means binding its queue. Its dead letters it may read only.
#
# delivery-limit: a message that was in hand at a hundred crashes is set aside, into the service's own queue of dead
# letters, from which its worker parks it in the inbox table. What merely fails is kept by that table and costs nothing
# here. at-least-once needs reject-publish and a length: a full queue then makes the relay wait, with everything safe in
# the outbox, instead of losing the oldest. The dead letters themselves have no limit of any kind (-1: not even the
# broker's own of 20 deliveries).
users='' permissions='' topics='' policies='' dead_queues='' dead_bindings='' comma=''
for service in membership meetings finance notifications; do
  password=$(printenv "PASSWORD_OF_$(echo "$service" | tr '[:lower:]' '[:upper:]')")
  case $password in *[!A-Za-z0-9._-]*) echo "the broker password of $service has a character that is not allowed" >&2; exit 1 ;; esac
  own="^(alliance\\\\.events|$service\\\\.inbox(\\\\..+)?)\$" readable="^(alliance\\\\.events|$service\\\\.(inbox(\\\\..+)?|dead))\$"
  users="$users$comma{\"name\":\"$service\",\"password\":\"$password\",\"tags\":[]}"
  permissions="$permissions$comma{\"user\":\"$service\",\"vhost\":\"lianmeng\",\"configure\":\"$readable\",\"write\":\"$own\",\"read\":\"$readable\"}"
  topics="$topics$comma{\"user\":\"$service\",\"vhost\":\"lianmeng\",\"exchange\":\"alliance.events\",\"write\":\"^$service\\\\.\",\"read\":\".*\"}"
  policies="$policies$comma{\"vhost\":\"lianmeng\",\"name\":\"$service-inbox\",\"pattern\":\"^$service\\\\.inbox(\\\\.[0-9]+-[0-9]+)?\$\",\"apply-to\":\"quorum_queues\",\"priority\":20,\"definition\":{\"delivery-limit\":100,\"dead-letter-exchange\":\"alliance.dead-letters\",\"dead-letter-routing-key\":\"$service\",\"dead-letter-strategy\":\"at-least-once\",\"overflow\":\"reject-publish\",\"max-length\":1000000}}"
  dead_queues="$dead_queues$comma{\"vhost\":\"lianmeng\",\"name\":\"$service.dead\",\"durable\":true,\"auto_delete\":false,\"arguments\":{\"x-queue-type\":\"quorum\",\"x-single-active-consumer\":true}}"
  dead_bindings="$dead_bindings$comma{\"vhost\":\"lianmeng\",\"source\":\"alliance.dead-letters\",\"destination\":\"$service.dead\",\"destination_type\":\"queue\",\"routing_key\":\"$service\",\"arguments\":{}}"
  comma=,
done

# Programs of others, LIANMENG_SUBSCRIBERS="name:password,name:password": each may declare and read queues whose names
# begin with its own name and a dot, bind them to the exchange, and publish nothing.
subscribers='' reserved='membership|meetings|finance|notifications|alliance|amq'
IFS=,
for each in ${LIANMENG_SUBSCRIBERS:-}; do
  name=${each%%:*} password=${each#*:}
  case $each in *:?*) ;; *) echo 'LIANMENG_SUBSCRIBERS: name:password,name:password' >&2; exit 1 ;; esac
  case $name in ''|*[!a-z0-9-]*) echo "subscriber '$name': lower-case letters, digits and dashes only" >&2; exit 1 ;; esac
  case "|$reserved|" in *"|$name|"*) echo "subscriber '$name': the name is taken" >&2; exit 1 ;; esac
  case $password in *[!A-Za-z0-9._-]*) echo "the broker password of $name has a character that is not allowed" >&2; exit 1 ;; esac
  own="^$name\\\\..*\$"
  users="$users,{\"name\":\"$name\",\"password\":\"$password\",\"tags\":[],\"limits\":{\"max-connections\":5,\"max-channels\":20}}"
  permissions="$permissions,{\"user\":\"$name\",\"vhost\":\"lianmeng\",\"configure\":\"$own\",\"write\":\"$own\",\"read\":\"^(alliance\\\\.events|$name\\\\..*)\$\"}"
  topics="$topics,{\"user\":\"$name\",\"vhost\":\"lianmeng\",\"exchange\":\"alliance.events\",\"write\":\"^\$\",\"read\":\".*\"}"
  subscribers="$subscribers${subscribers:+|}$name" reserved="$reserved|$name"
done
unset IFS

# A subscriber that does not come loses its oldest events, and after a month its queue; the alliance must not wait for it.
# An operator's policy: what the subscriber declares itself cannot widen it.
parameters=''
if [ -n "$subscribers" ]; then
  parameters="{\"vhost\":\"lianmeng\",\"component\":\"operator_policy\",\"name\":\"subscribers\",\"value\":{\"pattern\":\"^($subscribers)\\\\.\",\"apply-to\":\"queues\",\"priority\":10,\"definition\":{\"overflow\":\"drop-head\",\"max-length\":100000,\"max-length-bytes\":268435456,\"expires\":2592000000}}}"
fi

umask 022
cat >"${DEFINITIONS_FILE:-/tmp/definitions.json}" <<JSON
{
  "vhosts": [{"name": "lianmeng", "default_queue_type": "quorum"}],
  "users": [$users],
  "permissions": [$permissions],
  "topic_permissions": [$topics],
  "parameters": [$parameters],
  "policies": [
    $policies,
    {"vhost": "lianmeng", "name": "dead-letters", "pattern": "^(membership|meetings|finance|notifications)\\\\.dead\$", "apply-to": "quorum_queues", "priority": 20, "definition": {"delivery-limit": -1}}
  ],
  "exchanges": [{"vhost": "lianmeng", "name": "alliance.dead-letters", "type": "direct", "durable": true, "auto_delete": false, "internal": true, "arguments": {}}],
  "queues": [$dead_queues],
  "bindings": [$dead_bindings]
}
JSON

exec docker-entrypoint.sh rabbitmq-server

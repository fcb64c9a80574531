#!/bin/sh
# Starts the broker with users, rights, policies and the dead-letter queue in place, at every start the same.
#
# Writes the definitions with the passwords from the environment into memory and hands over to the image's own start.
# Passwords stand in JSON and in URLs: letters, digits, dot, dash and underscore only (`openssl rand -hex 24` is fine).
set -eu

# The exchange and the queues are declared by the services. A service may touch the exchange and its own queue, and
# publish only what it may say; reading from the exchange means binding its queue.
users='' permissions='' topics='' comma=''
for service in membership meetings finance notifications; do
  password=$(printenv "PASSWORD_OF_$(echo "$service" | tr '[:lower:]' '[:upper:]')")
  case $password in *[!A-Za-z0-9._-]*) echo "the broker password of $service has a character that is not allowed" >&2; exit 1 ;; esac
  own="^(alliance\\\\.events|$service\\\\.inbox)\$"
  users="$users$comma{\"name\":\"$service\",\"password\":\"$password\",\"tags\":[]}"
  permissions="$permissions$comma{\"user\":\"$service\",\"vhost\":\"lianmeng\",\"configure\":\"$own\",\"write\":\"$own\",\"read\":\"$own\"}"
  topics="$topics$comma{\"user\":\"$service\",\"vhost\":\"lianmeng\",\"exchange\":\"alliance.events\",\"write\":\"^$service\\\\.\",\"read\":\".*\"}"
  comma=,
done

# delivery-limit: a message that was in hand at a hundred crashes is set aside. What merely fails is kept by the inbox
# table and costs nothing here. at-least-once needs reject-publish and a length: a full queue then makes the relay
# wait, with everything safe in the outbox, instead of losing the oldest.
umask 022
cat >/tmp/definitions.json <<JSON
{
  "vhosts": [{"name": "lianmeng", "default_queue_type": "quorum"}],
  "users": [$users],
  "permissions": [$permissions],
  "topic_permissions": [$topics],
  "policies": [{
    "vhost": "lianmeng", "name": "inboxes", "pattern": "\\\\.inbox\$", "apply-to": "quorum_queues", "priority": 10,
    "definition": {
      "delivery-limit": 100,
      "dead-letter-exchange": "alliance.dead",
      "dead-letter-strategy": "at-least-once",
      "overflow": "reject-publish",
      "max-length": 1000000
    }
  }],
  "exchanges": [{"vhost": "lianmeng", "name": "alliance.dead", "type": "fanout", "durable": true, "auto_delete": false, "internal": true, "arguments": {}}],
  "queues": [{"vhost": "lianmeng", "name": "alliance.dead", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "quorum"}}],
  "bindings": [{"vhost": "lianmeng", "source": "alliance.dead", "destination": "alliance.dead", "destination_type": "queue", "routing_key": "", "arguments": {}}]
}
JSON

exec docker-entrypoint.sh rabbitmq-server

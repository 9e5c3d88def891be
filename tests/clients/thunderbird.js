// What the tests have Thunderbird do, with the modules that its account set-up is made of (Thunderbird 153).

const { FindConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");

function nameOf(constants, value) {
  return Object.keys(constants).find(name => constants[name] === value) ?? String(value);
}

function describe(server) {
  return {
    type: server.type,
    hostname: server.hostname,
    port: server.port,
    socketType: nameOf(Ci.nsMsgSocketType, server.socketType),
    auth: nameOf(Ci.nsMsgAuthMethod, server.auth),
    username: server.username,
  };
}

async function find(address, password) {
  const domain = address.split("@")[1];
  const lookUp = FindConfig.parallelAutoDiscovery(domain, address, new AbortController().signal, password);
  let step = await lookUp.next();
  while (!step.done) {
    step = await lookUp.next({ acceptRedirect: true });
  }
  if (step.value) {
    AccountConfig.replaceVariables(step.value, "Fred Bloggs", address, password);
  }
  return step.value;
}

async function discover(address, password) {
  const config = await find(address, password);
  return config && {
    source: config.subSource,
    incoming: describe(config.incoming),
    outgoing: describe(config.outgoing),
    alternatives: config.incomingAlternatives.map(describe),
  };
}

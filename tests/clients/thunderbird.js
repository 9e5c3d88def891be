// Functions that run in Thunderbird 153 and use the modules of its account setup.

const { FindConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
const { ConfigVerifier } = ChromeUtils.importESModule("resource:///modules/accountcreation/ConfigVerifier.sys.mjs");
const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

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

function describeAccount(config) {
  return {
    source: config.subSource,
    incoming: describe(config.incoming),
    outgoing: describe(config.outgoing),
    alternatives: config.incomingAlternatives.map(describe),
  };
}

async function discover(address, password) {
  const config = await find(address, password);
  return config && describeAccount(config);
}

// Find the settings, verify them by logging in, and create the account; with protocol "pop3", the alternative one.
async function setUp(address, password, protocol) {
  const config = await find(address, password);
  if (!config) {
    throw new Error("found no settings");
  }
  const found = describeAccount(config);
  if (config.incoming.type != protocol) {
    config.incoming = config.incomingAlternatives.find(({ type }) => type == protocol);
  }
  const verifier = new ConfigVerifier(null, new AbortController().signal);
  await verifier.verifyConfig(config.copy(), false);
  config.rememberPassword = true;
  return { found, account: await CreateInBackend.createAccountInBackend(config) };
}

// Set up the account, send a message to its own address, and check the inbox until it arrives; return its subject.
async function correspond(address, password, protocol) {
  const { found, account } = await setUp(address, password, protocol);
  await send(account, address, "To myself");
  return { account: found, subject: await firstSubject(account) };
}

function send(account, address, subject) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.from = address;
  fields.to = address;
  fields.subject = subject;
  fields.body = "Hello.";
  account.defaultIdentity.doFcc = false;
  return new Promise((resolve, reject) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
      onStartSending() {},
      onSendProgress() {},
      onStatus() {},
      onSendNotPerformed() {},
      onGetDraftFolderURI() {},
      onTransportSecurityError(id, status, secInfo, location) {
        reject(new Error(`the certificate of ${location} was rejected`));
      },
      onStopSending(id, status, message) {
        if (Components.isSuccessCode(status)) {
          resolve();
        } else {
          reject(new Error(`sending failed with ${status}: ${message}`));
        }
      },
    };
    Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend).createAndSendMessage(
      null, account.defaultIdentity, account.key, fields, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null,
      "text/plain", "Hello.", null, null, listener, "", "", Ci.nsIMsgCompType.New);
  });
}

async function firstSubject(account) {
  const root = account.incomingServer.rootFolder;
  for (;;) {
    const inbox = root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
    const message = inbox && [...inbox.messages][0];
    if (message) {
      return message.mime2DecodedSubject;
    }
    if (inbox) {
      account.incomingServer.getNewMessages(inbox, null, null);
    } else {
      account.incomingServer.performExpand(null);
    }
    await new Promise(resolve => setTimeout(resolve, 500));
  }
}

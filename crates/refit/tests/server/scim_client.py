"""What a public SCIM client library, and the checks that are built on it, make of a server.

`scim_client.py ADDRESS CA`, with a token in `SCIM_TOKEN`. Prints JSON: `checks` are all checks of scim2-tester with what they found, `pushed` is
what became of people and a group as an identity provider pushes them, in the standard's own models.
"""

import json
import os
import ssl
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import EnterpriseUser, Group, PatchOp, PatchOperation, ResourceType, ScimProvider, SearchRequest, User
from scim2_tester import check_server


def connected(source, **described):
    address, authority = sys.argv[1:3]
    http = httpx2.Client(
        base_url=f"{address}/scim/{source}/v2",
        headers={"Authorization": f"Bearer {os.environ['SCIM_TOKEN']}"},
        verify=ssl.create_default_context(cafile=authority),
        timeout=120,
        trust_env=False,
    )
    return SyncSCIMClient(http, **described)


def checks():
    found = check_server(connected("checked"))
    return [
        {"of": it.resource_type, "check": it.title, "status": it.status.name, "reason": it.reason} for it in found
    ]


def pushed():
    person = User[EnterpriseUser]
    types = [ResourceType.from_resource(person), ResourceType.from_resource(Group)]
    client = connected("okta", provider=ScimProvider(models=[User, EnterpriseUser, Group], resource_types=types))
    client.discover()

    def made(name):
        address = f"{name}@acme.example"
        user = person(user_name=address, active=True, emails=[User.Emails(value=address, type="work", primary=True)])
        user[EnterpriseUser] = EnterpriseUser(department="Engineering")
        return client.create(user)

    ada, bob = made("ada"), made("bob")
    members = [Group.Members(value=it.id) for it in (ada, bob)]
    group = client.create(Group(display_name="Patch first", members=members))
    looked = SearchRequest(filter='displayName eq "PATCH FIRST"', excluded_attributes=["members"])
    [found] = client.query(Group, query_parameters=looked).resources
    assert found.id == group.id and found.members is None, found

    # One goes. The group as it was read first is an old one then, and replaces nothing.
    goes = PatchOperation[Group](op="remove", path=f'members[value eq "{bob.id}"]')
    client.modify(Group, group.id, PatchOp[Group](operations=[goes]))
    group.display_name = "Nobody"
    stale = client.replace(group, raise_scim_errors=False)
    group = client.query(Group, found.id)

    moved = client.query(person, ada.id)
    moved[EnterpriseUser].department = "Finance"
    moved = client.replace(moved)
    client.delete(person, bob.id)
    return {
        "ada": ada.id,
        "bob": bob.id,
        "stale": str(stale.status),
        "group": [group.display_name, [it.value for it in group.members]],
        "department": moved[EnterpriseUser].department,
        "groups": [it.display for it in moved.groups],
        "left": [it.user_name for it in client.query(person).resources],
    }


print(json.dumps({"checks": checks(), "pushed": pushed()}))

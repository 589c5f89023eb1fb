"""What other programs make of what the server says: one question on standard input, one answer on standard output.

`okta`: where the answer to an inline hook is not as Okta's OpenAPI document has it; requests are Okta's examples, some of which are not as it has them
either. `jwt`: the claims of a token by PyJWT.
"""

import json
import sys

ANSWERS = {
    "token": "TokenHookResponse",
    "saml": "SAMLHookResponse",
    "registration": "RegistrationInlineHookResponse",
    "import": "UserImportResponse",
}


def nullable(schema):
    """OpenAPI 3.0 says `nullable` where JSON Schema has another type; references are those of the document."""
    if isinstance(schema, list):
        return [nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: nullable(value) for name, value in schema.items() if name != "nullable"}
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def okta(asked):
    import jsonschema

    with open(asked["document"], encoding="utf-8") as file:
        schemas = nullable(json.load(file)["components"]["schemas"])
    schema = {"$ref": "#/components/schemas/" + ANSWERS[asked["hook"]], "components": {"schemas": schemas}}
    errors = jsonschema.Draft4Validator(schema).iter_errors(asked["answer"])
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]


def jwt(asked):
    import jwt

    header = jwt.get_unverified_header(asked["token"])
    keys = {key["kid"]: key for key in asked["keys"]["keys"]}
    key = jwt.PyJWK.from_dict(keys[header["kid"]])
    # The test's clock is not this machine's.
    options = {"verify_exp": False, "verify_iat": False}
    said = {"algorithms": [keys[header["kid"]]["alg"]], "audience": asked["audience"], "issuer": asked["issuer"], "options": options}
    claims = jwt.decode(asked["token"], key.key, **said)
    signed, signature = asked["token"].rsplit(".", 1)
    forged = signed + "." + ("B" if signature[0] == "A" else "A") + signature[1:]
    for token, audience in ((forged, asked["audience"]), (asked["token"], "somebody else")):
        try:
            jwt.decode(token, key.key, **{**said, "audience": audience})
        except jwt.InvalidTokenError:
            continue
        raise SystemExit("what is forged, or for somebody else, is taken")
    return {"header": header, "claims": claims}


print(json.dumps({"okta": okta, "jwt": jwt}[sys.argv[1]](json.load(sys.stdin))))

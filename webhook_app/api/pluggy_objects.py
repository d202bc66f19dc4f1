"""
The fields of Pluggy's objects (Pluggy facts 3.1, 3.5, 3.6, 3.9, 5.2, 5.5), and their values as the API gives them.

Objects come from banks, and a field may hold anything. `fitted` gives null for a field whose value is of another type
than described here: a typed client can rely on it. The mirror keeps what came. Fields that are not described are
passed on.

Tests: `api/test_pluggy_objects.py`.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pluggy_sync import wire

Schema = dict[str, Any]

_UTC_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z", re.ASCII)


def _field(kind: str, description: str = "", **more: Any) -> Schema:
    said = {"description": description} if description else {}
    return {"type": [kind, "null"], **more, **said}


def _text(description: str = "") -> Schema:
    return _field("string", description)


def _number(description: str = "") -> Schema:
    return _field("number", description)


def _flag(description: str = "") -> Schema:
    return _field("boolean", description)


def _instant(description: str = "") -> Schema:
    return _field("string", description, format="date-time")


def _object(description: str = "", /, **properties: Schema) -> Schema:
    return _field("object", description, properties=properties, additionalProperties=True)


def _list(items: Schema, description: str = "") -> Schema:
    return _field("array", description, items=items)


def component(name: str) -> Schema:
    """Return the reference to the schema *name* of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _named(name: str, description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {"anyOf": [component(name), {"type": "null"}], **said}


def _open(description: str, /, **properties: Schema) -> Schema:
    """Return an object that Pluggy may add fields to."""
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": True}


_PARTICIPANT = _object(
    "",
    name=_text(),
    documentNumber=_object("", type=_text("CPF or CNPJ"), value=_text()),
    accountNumber=_text(),
    branchNumber=_text(),
    routingNumber=_text(),
    routingNumberISPB=_text(),
)

TRANSACTION: Mapping[str, Schema] = {
    "description": _text(),
    "descriptionRaw": _text("As the bank wrote it"),
    "currencyCode": _text("ISO 4217"),
    "amountInAccountCurrency": _number("Only if the currency is not the account's"),
    "balance": _number("Of the account after it, where the bank says so"),
    "type": _text("DEBIT or CREDIT"),
    "status": _text("PENDING or POSTED; absent means POSTED"),
    "category": _text("In English"),
    "categoryId": _text(),
    "providerCode": _text(),
    "providerId": _text("The bank's own id, the same for two Items of one person. Open Finance only"),
    "operationType": _text("PIX, TED, BOLETO and others. Open Finance only"),
    "operationTypeAdditionalInfo": _text(),
    "order": _number("Its place in its day"),
    "createdAt": _instant("When Pluggy first had it"),
    "updatedAt": _instant("When Pluggy last changed it"),
    "paymentData": _object(
        "Who paid whom, and how",
        payer=_PARTICIPANT,
        receiver=_PARTICIPANT,
        reason=_text(),
        referenceNumber=_text(),
        receiverReferenceId=_text(),
        paymentMethod=_text("PIX, TED, DOC, TEV, BOLETO and others"),
        boletoMetadata=_object(
            "",
            digitableLine=_text(),
            barcode=_text(),
            baseAmount=_number(),
            interestAmount=_number(),
            penaltyAmount=_number(),
            discountAmount=_number(),
        ),
    ),
    "creditCardMetadata": _object(
        "Of a card's transaction",
        installmentNumber=_number(),
        totalInstallments=_number(),
        totalAmount=_number(),
        feeType=_text(),
        feeTypeAdditionalInfo=_text(),
        otherCreditsType=_text(),
        otherCreditsAdditionalInfo=_text(),
        purchaseDate=_text(),
        payeeMCC={"description": "Merchant category code"},
        cardNumber=_text("Its last digits"),
        billId=_text(),
        billForecastDate=_text("YYYY-MM"),
    ),
    "merchant": _object(
        "", name=_text(), businessName=_text(), cnpj=_text(), cnae=_text(), category=_text("In English")
    ),
}

ACCOUNT: Mapping[str, Schema] = {
    "subtype": _text("CHECKING_ACCOUNT, SAVINGS_ACCOUNT, CREDIT_CARD and others"),
    "number": _text(),
    "name": _text(),
    "marketingName": _text(),
    "taxNumber": _text("CPF or CNPJ of the owner"),
    "owner": _text(),
    "createdAt": _instant(),
    "updatedAt": _instant(),
    "bankData": _object(
        "Of a bank account",
        transferNumber=_text(),
        closingBalance=_number(),
        automaticallyInvestedBalance=_number(),
        overdraftContractedLimit=_number(),
        overdraftUsedLimit=_number(),
        unarrangedOverdraftAmount=_number(),
        hasReservedBalance=_flag(),
        reservedBalances=_list({}),
    ),
    "creditData": _object(
        "Of a card",
        level=_text(),
        brand=_text(),
        brandAdditionalInfo=_text(),
        balanceCloseDate=_text(),
        balanceDueDate=_text(),
        availableCreditLimit=_number(),
        balanceForeignCurrency=_number(),
        minimumPayment=_number(),
        creditLimit=_number(),
        isLimitFlexible=_flag(),
        status=_text("ACTIVE, BLOCKED or CANCELLED"),
        holderType=_text("MAIN or ADDITIONAL"),
        disaggregatedCreditLimits=_list({}),
        additionalCards=_list({}),
    ),
}

ITEM: Mapping[str, Schema] = {
    "createdAt": _instant("When the person connected the bank"),
    "updatedAt": _instant("When Pluggy last changed the Item"),
    "error": _object(
        "Why the last execution failed; `providerMessage` has the bank's own words",
        code=_text(),
        message=_text(),
        providerMessage=_text(),
        attributes=_object(),
        parameter=_text(),
    ),
    "parameter": _named("Credential", "What the bank asks of the person now"),
    "userAction": _named("UserAction"),
    "statusDetail": _object("By data product, as Pluggy sent it; `products` has the same in one form"),
    "consecutiveFailedLoginAttempts": _number(),
    "webhookUrl": _text(),
    "oauthRedirectUri": _text(),
    "autoSyncDisabledAt": _instant(),
    "hasResourcesPendingAuthorization": _flag("Some accounts wait for a further approval at the bank"),
}

_OPTION = _open("One of the values among which a person chooses.", value=_text("Send this"), label=_text("Show this"))

COMPONENTS: Mapping[str, Schema] = {
    "Option": _OPTION,
    "Credential": _open(
        "A field of the bank's form.",
        name=_text("Its key in `parameters`"),
        label=_text(),
        type=_text("text, password, number, image, select, boolean and others"),
        assistiveText=_text(),
        placeholder=_text(),
        instructions=_text(),
        validation=_text("A regular expression"),
        validationMessage=_text(),
        options=_list(component("Option")),
        data=_text("A picture in base64, or an address"),
        mfa=_flag("The bank wants it anew with each update"),
        optional=_flag(),
        expiresAt=_instant(),
    ),
    "Connector": _open(
        "Pluggy's integration of a bank. `health.status` is as last heard.",
        id=_number("Pluggy's number of it"),
        name=_text(),
        imageUrl=_text(),
        institutionUrl=_text(),
        primaryColor=_text(),
        type=_text("PERSONAL_BANK, BUSINESS_BANK, INVESTMENT and others"),
        country=_text(),
        credentials=_list(component("Credential"), "The bank's form"),
        hasMFA=_flag("Each update needs something of the person"),
        products=_list({"type": ["string", "null"]}, "The data products that it can collect"),
        oauth=_flag(),
        oauthUrl=_text(),
        resetPasswordUrl=_text(),
        health=_object("", status=_text("ONLINE, UNSTABLE or OFFLINE"), stage=_text("BETA, or null")),
        isSandbox=_flag(),
        isOpenFinance=_flag(),
        supportsPaymentInitiation=_flag(),
        supportsScheduledPayments=_flag(),
        supportsSmartTransfers=_flag(),
        supportsBoletoManagement=_flag(),
        supportsAutomaticPix=_flag(),
        createdAt=_instant(),
        updatedAt=_instant(),
    ),
    "UserAction": _open(
        "What the person does outside of any form: a QR code to scan, a device to approve.",
        type=_text("qr, authorize-access; open to new ones"),
        instructions=_text("In Portuguese"),
        attributes=_object("The QR code, the name of the device and the like"),
        expiresAt=_instant(),
    ),
    "Warning": _open(
        "Why a data product is not complete.",
        code=_text("001: no permission; 002: waits for further approvers; 423: monthly quota used up"),
        message=_text(),
        providerMessage=_text("The bank's own words"),
    ),
}


def fitted(value: Any, schema: Schema) -> Any:
    """Return *value* if it is what *schema* describes; null for a value, or for a part of it, that is not."""
    if value is None:
        return None
    if "anyOf" in schema:
        return fitted(value, schema["anyOf"][0])
    if "$ref" in schema:
        return fitted(value, COMPONENTS[schema["$ref"].rpartition("/")[2]])
    kind = schema.get("type")
    return value if kind is None else _FITTED[kind if isinstance(kind, str) else kind[0]](value, schema)


def fit(whole: dict[str, Any], fields: Mapping[str, Schema]) -> None:
    """Replace those values of *whole* that are not what *fields* describes."""
    for name, schema in fields.items():
        value = whole.get(name)
        if value is not None:
            whole[name] = fitted(value, schema)


def instant_text(value: Any) -> str | None:
    """Return the text of an instant in UTC with a Z; None: *value* is no instant. One that has this form is kept."""
    if isinstance(value, str) and _UTC_INSTANT.fullmatch(value):
        # A date that does not exist is none.
        return value if wire.instant_or_none(value) is not None else None
    return wire.to_text(wire.instant_or_none(value))


def _fitted_text(value: Any, schema: Schema) -> str | None:
    if schema.get("format") == "date-time":
        return instant_text(value)
    return value if isinstance(value, str) else None


def _fitted_number(value: Any, _schema: Schema) -> Any:
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _fitted_flag(value: Any, _schema: Schema) -> bool | None:
    return value if isinstance(value, bool) else None


def _fitted_object(value: Any, schema: Schema) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    whole = dict(value)
    fit(whole, schema.get("properties", {}))
    return whole


def _fitted_list(value: Any, schema: Schema) -> list[Any] | None:
    if not isinstance(value, list):
        return None
    items = (fitted(each, schema["items"]) for each in value)
    return [each for each in items if each is not None]


_FITTED: Mapping[str, Callable[[Any, Schema], Any]] = {
    "string": _fitted_text,
    "number": _fitted_number,
    "boolean": _fitted_flag,
    "object": _fitted_object,
    "array": _fitted_list,
}

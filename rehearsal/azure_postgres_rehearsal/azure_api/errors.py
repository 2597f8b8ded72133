"""The errors of Azure Resource Manager, each with its HTTP status, code and message."""

from __future__ import annotations


class ApiError(Exception):
    """A request that Azure refuses, or an operation that failed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The JSON body that ARM sends."""
        return {"error": {"code": self.code, "message": self.message}}


def invalid_parameter(name: str, message: str) -> ApiError:
    """A value the service does not take, with the text it uses."""
    return ApiError(
        400,
        "InvalidParameterValue",
        f"Invalid value given for parameter {name}. Specify a valid parameter value. {message}",
    )


def invalid_value(message: str) -> ApiError:
    """A value of a server parameter that the service does not take."""
    return invalid_parameter("configurationValue", message)


def invalid_content(message: str) -> ApiError:
    """A body that is not of the form the API takes."""
    return ApiError(400, "InvalidRequestContent", f"The request content was invalid: {message}")


def not_supported(message: str) -> ApiError:
    """Something Azure can do and the emulator cannot; refused rather than ignored."""
    return ApiError(400, "NotSupportedByRehearsal", message)


def not_found(resource: str, group: str) -> ApiError:
    """A resource that is not there; `resource` is its type and name, as ARM writes them."""
    return ApiError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{group}' was not found.",
    )

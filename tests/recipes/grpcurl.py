"""What docs/grpc.md needs of grpcurl: a call in clear text, with metadata and a body in JSON, found by reflection."""

from __future__ import annotations

import argparse

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class _Keyed(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Adds metadata to each call, those of reflection too, as grpcurl does."""

    def __init__(self, headers: list[str]) -> None:
        self._pairs = [(name, value.strip()) for name, _, value in (header.partition(":") for header in headers)]

    def _with(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        return details._replace(metadata=self._pairs)

    def intercept_unary_unary(self, call, details, request):
        return call(self._with(details), request)

    def intercept_stream_stream(self, call, details, requests):
        return call(self._with(details), requests)


def main() -> None:
    """Call and print the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-d", dest="body", required=True)
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("target")
    parser.add_argument("method")
    given = parser.parse_args()
    service, _, name = given.method.partition("/")
    with grpc.insecure_channel(given.target) as plain:
        channel = grpc.intercept_channel(plain, _Keyed(given.headers))
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(service).methods_by_name[name]
        request = Parse(given.body, GetMessageClass(method.input_type)())
        answers = GetMessageClass(method.output_type)
        call = channel.unary_unary(f"/{given.method}", type(request).SerializeToString, answers.FromString)
        print(MessageToJson(call(request, timeout=15), preserving_proto_field_name=True))


if __name__ == "__main__":
    main()

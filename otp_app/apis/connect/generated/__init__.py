"""Made by script/protos from the .proto files beside this folder."""

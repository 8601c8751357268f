"""A page for people: send a code to a number, watch what becomes of it, and type it in. docs/demo.md"""
